"""Which values do not become another type, or lose something on the way. Pure.

Conditions are over SQL expressions; the casts' own rules are from PostgreSQL 13 to 18.
"""

from collections.abc import Iterator
from typing import NamedTuple

from migsafe.audits.derived.names import literal
from migsafe.schema import Schema, Type, casts


class Misfit(NamedTuple):
    """Values that do not fit: `condition` is true of them; or `tried` raises an error for one.

    `lossy` says that the server changes them without an error; `silent` that it cuts text.
    """

    name: str
    what: str
    condition: str | None = None
    tried: str | None = None
    lossy: bool = False
    silent: bool = False


_BOUNDS = {
    "int2": ("-32768", "32767"),
    "int4": ("-2147483648", "2147483647"),
    "int8": ("-9223372036854775808", "9223372036854775807"),
}
_WIDTH = {"int2": 2, "int4": 4, "int8": 8}
_FLOATS = ("float4", "float8")
_TEXTS = ("text", "varchar", "bpchar")


def misfits(
    value: str, old: Type | None, new: Type, target: str, schema: Schema, *, explicit: bool
) -> Iterator[Misfit]:
    """Yield what to ask about values (SQL) of a type that are to be of another, spelled `target`.

    `explicit` is a cast that the SQL wrote, which cuts what an assignment refuses. `old` is None
    where it is not known. Constraints of a domain are not among it.
    """
    found = list(_unfit(value, old, new, target, schema, explicit=explicit))
    yield from found
    if old is not None and not any(misfit.lossy for misfit in found):
        yield from _lost(value, casts.base(old, schema), casts.base(new, schema), target, schema)


def _unfit(
    value: str, old: Type | None, new: Type, target: str, schema: Schema, *, explicit: bool
) -> Iterator[Misfit]:
    new = casts.base(new, schema)
    if old is None or old.array or new.array or schema.typed(old, schema.enums):
        if old is None or not (_text(new) and not new.array and not old.array):
            yield from _generic(value, old, new, target, schema, explicit=explicit)
            return
    else:
        old = casts.base(old, schema)
    if _text(new):
        yield from _shorter(f"({value})::text", old, new, schema, explicit=explicit)
    elif old.name in ("text", "varchar", "citext"):
        yield from _from_text(value, new, target, schema, explicit=explicit)
    elif old.name in (*_WIDTH, "numeric", *_FLOATS) and new.name in (*_WIDTH, "numeric"):
        yield from _number(value, old, new)
    elif (old.name, new.name) == ("json", "jsonb"):
        yield _parsed(value, new, target, schema, "type-json-to-jsonb-nul")
    elif cut := _time(value, old, new, target):
        yield cut
    else:
        yield from _generic(value, old, new, target, schema, explicit=explicit)


#: Types whose values can be compared, and of which another type may hold only a part.
_COMPARED = frozenset(
    (
        *("int2", "int4", "int8", "numeric", "float4", "float8", "money", "bool", "bit", "varbit"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval", "inet", "cidr"),
        *("macaddr", "macaddr8", "char", "name"),
    )
)


def _lost(value: str, old: Type, new: Type, target: str, schema: Schema) -> Iterator[Misfit]:
    """Yield what does not come back from the other type; all of it where no way leads back."""
    text_to_part = old.name in ("text", "varchar") and new.name in ("name", "char")
    if new.schema or old.schema or old.array != new.array or new.name not in _COMPARED:
        return
    if not (old.name in _COMPARED or text_to_part):
        return
    if not old.array and keeps_distinct(old, new, schema, explicit=True):
        return
    lost = f"({value}) IS NOT NULL"
    if casts.castable(new, old, schema, explicit=True):
        lost = f"({value}) IS DISTINCT FROM CAST(CAST({value} AS {target}) AS {old})"
    yield Misfit("type-change-lossy", f"of which {new} holds only a part", lost, lossy=True)


def _text(type_: Type) -> bool:
    return type_.name in _TEXTS and type_.schema is None


def _generic(
    value: str, old: Type | None, new: Type, target: str, schema: Schema, *, explicit: bool
) -> Iterator[Misfit]:
    if old is None or not casts.keeps(old, new, schema, utc=False):
        what = f"not convertible to {new}"
        if not explicit:
            yield from _refused_length(value, new, schema)
        yield Misfit("type-change", what, tried=f"CAST({value} AS {target})")


def _refused_length(value: str, new: Type, schema: Schema) -> Iterator[Misfit]:
    """Yield what an assignment refuses for a length, to which the cast that is tried cuts it."""
    element = casts.base(new._replace(array=False), schema)
    if element.schema or element.array or not element.mods:
        return
    size, many = element.mods[0], new.array
    if element.name in ("bit", "varbit"):
        name, whole = "type-change", "varbit"
        differs = f"length({{}}) {'<>' if element.name == 'bit' else '>'} {size}"
    elif element.name in ("varchar", "bpchar"):
        name, whole = "type-varchar-shrink", "text"
        differs = f"char_length({{0}}) > {size} AND rtrim(substr({{0}}, {size + 1}), ' ') <> ''"
    else:
        return
    given = f"CAST({value} AS {whole}{'[]' if many else ''})"
    refused = f"EXISTS (SELECT FROM unnest({given}) AS e WHERE {differs.format('e')})"
    what = f"with elements not of the length of {new}" if many else f"not of the length of {new}"
    yield Misfit(name, what, refused if many else differs.format(given))


def _shorter(
    value: str, old: Type, new: Type, schema: Schema, *, explicit: bool
) -> Iterator[Misfit]:
    if not new.mods or not casts.overflows(old, new, schema):
        return
    size = new.mods[0]
    # A text of so few bytes has no more characters; its bytes are counted without reading them.
    longer = f"octet_length({value}) > {size} AND char_length({value}) > {size}"
    if explicit:
        what = f"longer than {size}, which the cast to {new} cuts silently"
        yield Misfit("type-varchar-shrink-using-cast", what, longer, lossy=True, silent=True)
    else:
        what = f"longer than {size}"
        rest = f"{longer} AND rtrim(substr({value}, {size + 1}), ' ') <> ''"
        yield Misfit("type-varchar-shrink", what, rest)


_FROM_TEXT = {
    "int2": "type-text-to-int",
    "int4": "type-text-to-int",
    "int8": "type-text-to-int",
    "timestamp": "type-text-to-timestamp",
    "timestamptz": "type-text-to-timestamp",
    "uuid": "type-text-to-uuid",
    "jsonb": "type-text-to-jsonb",
}

#: What text is cast to by a function of its own, not through the input of the type.
_CAST_BY_FUNCTION = ("char", "name", "regclass", "xml")


def _from_text(
    value: str, new: Type, target: str, schema: Schema, *, explicit: bool
) -> Iterator[Misfit]:
    name = _FROM_TEXT.get(new.name, "type-change")
    if new.name == "citext":
        return
    bits = explicit and new.name in ("bit", "varbit")
    if bits and new.mods:
        what = f"longer than {new.mods[0]}, which the cast to {new} cuts silently"
        longer = f"length(CAST({value} AS varbit)) > {new.mods[0]}"
        yield Misfit("type-change-lossy", what, longer, lossy=True)
    if bits or new.name in _CAST_BY_FUNCTION:
        yield Misfit(name, f"not readable as {new}", tried=f"CAST({value} AS {target})")
    else:
        yield _parsed(value, new, target, schema, name)


def _parsed(value: str, new: Type, target: str, schema: Schema, name: str) -> Misfit:
    what = f"not readable as {new}"
    if (schema.version or 0) < 16:
        return Misfit(name, what, tried=f"CAST({value} AS {target})")
    valid = f"pg_catalog.pg_input_is_valid(({value})::text, {literal(target)})"
    return Misfit(name, what, f"({value}) IS NOT NULL AND NOT {valid}")


def _number(value: str, old: Type, new: Type) -> Iterator[Misfit]:
    whole = old.name in _WIDTH
    if new.name in _WIDTH:
        if not whole or _WIDTH[new.name] < _WIDTH[old.name]:
            least, most = _BOUNDS[new.name]
            rounded = value if whole else f"round({value})"
            condition = f"NOT ({rounded} BETWEEN {least} AND {most})"
            if old.name in _FLOATS and new.name == "int8":
                # The largest bigint is no float: compared with one, it is the next power of two.
                condition += f" OR {rounded} >= 9223372036854775808::float8"
            yield Misfit("type-bigint-to-int", f"out of the range of {new}", condition)
        if not whole:
            cut = f"{value} <> trunc({value})"
            what = f"with a fraction, which {new} rounds off"
            yield Misfit("type-numeric-to-int-rounds", what, cut, lossy=True)
    elif new.mods:
        yield from _decimal(value, old, new)


def _decimal(value: str, old: Type, new: Type) -> Iterator[Misfit]:
    precision, scale = (*new.mods, 0)[:2]
    before = f"(({value})::numeric)"
    # Infinity is no numeric before 14; NaN fits any numeric.
    endless = f"({value})::text IN ('Infinity', '-Infinity')"
    large = f"abs(round({before}, {scale})) >= 1e{precision - scale}::numeric"
    if old.name in _WIDTH and scale >= 0:
        yield Misfit("type-numeric-precision", f"too large for {new}", large)
        return
    exact = old.name == "numeric"
    if not (exact and old.mods and _fits(old, new)):
        name = "type-numeric-precision" if exact else "type-float-to-numeric"
        condition = f"CASE WHEN {endless} THEN true WHEN ({value})::text = 'NaN' THEN false "
        yield Misfit(name, f"too large for {new}", f"{condition}ELSE {large} END")
    if not (exact and old.mods and (*old.mods, 0)[1] <= scale):
        cut = f"CASE WHEN {endless} THEN false ELSE {before} <> round({before}, {scale}) END"
        what = f"with more digits after the point, which {new} rounds off"
        yield Misfit("type-numeric-scale-rounds", what, cut, lossy=True)


def _fits(old: Type, new: Type) -> bool:
    (old_precision, old_scale), (precision, scale) = (*old.mods, 0)[:2], (*new.mods, 0)[:2]
    # Rounding to fewer digits may carry over into one more before the point.
    return old_precision - old_scale <= precision - scale - (scale < old_scale)


def _time(value: str, old: Type, new: Type, target: str) -> Misfit | None:
    """Return what is cut off a time; None where that is nothing, or the cast is another one."""
    stamps = ("timestamp", "timestamptz")
    if old.name in stamps and new.name == "date":
        cut = f"{value} <> CAST(CAST({value} AS date) AS {old.name})"
        what = "with a time of day, which date drops"
        return Misfit("type-timestamp-to-date", what, cut, lossy=True)
    if old.name == new.name in (*stamps, "time", "timetz") and _digits(new) < _digits(old):
        what = f"with more digits of a second, which {new} rounds off"
        cut = f"{value} <> CAST({value} AS {target})"
        return Misfit("type-timestamp-precision", what, cut, lossy=True)
    return None


def _digits(type_: Type) -> int:
    return type_.mods[0] if type_.mods else 6


def keeps_distinct(old: Type | None, new: Type, schema: Schema, *, explicit: bool) -> bool:
    """Tell whether different values stay different."""
    if old is None or old.array or new.array or new.name == "citext":
        return False
    old, new = casts.base(old, schema), casts.base(new, schema)
    if old.name in _WIDTH and new.name in (*_WIDTH, "numeric"):
        return (*new.mods, 0, 0)[1] >= 0
    if _text(new):
        # bpchar forgets trailing blanks.
        cut = explicit and casts.loses(old, new, schema, explicit=True)
        return not cut and new.name != "bpchar" and old.name in (*_TEXTS, *_WIDTH, "uuid", "bool")
    return casts.keeps(old, new, schema, utc=False)


def alike(old: Type, new: Type, schema: Schema) -> bool:
    """Tell whether expressions over the values say the same, and raise no error that is new."""
    widths = [_WIDTH.get(casts.base(one, schema).name, 0) for one in (old, new)]
    if all(widths) and not (old.array or new.array):
        return widths[0] <= widths[1]
    return old.array == new.array and casts.same_order(old, new, schema)


def changes(old: Type, new: Type, schema: Schema) -> bool:
    """Tell whether expressions over the values may say something else, so that checks do."""
    if not alike(old, new, schema):
        return True
    return casts.base(new, schema).name not in _WIDTH and not casts.keeps(
        old, new, schema, utc=False
    )


def textual(old: Type, new: Type, schema: Schema) -> bool:
    """Tell whether both types are texts, over which no expression raises an error that is new."""
    bare = [casts.base(one, schema) for one in (old, new)]
    return all(not one.array and (_text(one) or one.name == "citext") for one in bare)
