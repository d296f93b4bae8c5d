"""Which type becomes which, and what that costs a column that has it. Pure; data of PostgreSQL.

Domains count as what they are over. A type of an extension that is not known here is unknown.
"""

from collections.abc import Iterator, Mapping

from migsafe.schema import Domain, Schema, Type

_REG = (
    "regclass regcollation regconfig regdictionary regnamespace regoper regoperator regproc "
    "regprocedure regrole regtype"
)

#: pg_cast where castcontext is i or a: what an assignment, and ALTER COLUMN TYPE without USING,
#: may use. The same from PostgreSQL 15 to 18; citext and hstore are contrib's.
_ASSIGNED = """
bit: bit varbit
bool: bpchar text varchar citext
box: polygon
bpchar: bpchar char name text varchar citext
char: bpchar text varchar
cidr: bpchar inet text varchar
citext: bpchar text varchar
date: timestamp timestamptz
float4: float8 int2 int4 int8 numeric
float8: float4 int2 int4 int8 numeric
hstore: json jsonb
inet: bpchar cidr text varchar citext
int2: float4 float8 int4 int8 numeric oid REG
int4: float4 float8 int2 int8 money numeric oid REG
int8: float4 float8 int2 int4 money numeric oid REG
interval: interval time
json: jsonb
jsonb: json
macaddr8: macaddr
macaddr: macaddr8
money: numeric
name: bpchar text varchar
numeric: float4 float8 int2 int4 int8 money numeric
oid: int4 int8 REG
path: polygon
point: box
polygon: path
regclass: int4 int8 oid
regcollation: int4 int8 oid
regconfig: int4 int8 oid
regdictionary: int4 int8 oid
regnamespace: int4 int8 oid
regoper: int4 int8 oid regoperator
regoperator: int4 int8 oid regoper
regproc: int4 int8 oid regprocedure
regprocedure: int4 int8 oid regproc
regrole: int4 int8 oid
regtype: int4 int8 oid
text: bpchar char name regclass varchar citext
time: interval time timetz
timestamp: date time timestamp timestamptz
timestamptz: date time timestamp timestamptz timetz
timetz: time timetz
varbit: bit varbit
varchar: bpchar char name regclass text varchar citext
xml: bpchar text varchar
"""

#: pg_cast where castcontext is e: what only an explicit cast may use.
_EXPLICIT = """
bit: int4 int8
bool: int4
box: circle lseg point
bpchar: xml
bytea: int2 int4 int8
char: int4
circle: box point polygon
daterange: datemultirange
int2: bytea
int4: bit bool bytea char
int4range: int4multirange
int8: bit bytea
int8range: int8multirange
jsonb: bool float4 float8 int2 int4 int8 numeric
lseg: point
numrange: nummultirange
polygon: box circle point
text: xml
tsrange: tsmultirange
tstzrange: tstzmultirange
varchar: xml
xid8: xid
"""

#: pg_cast where castmethod is b: the bytes stay, and only a length can make them anew.
_SAME_BYTES = """
bit: varbit
cidr: inet
citext: bpchar text varchar
int4: oid REG
oid: int4 REG
regclass: int4 oid
regcollation: int4 oid
regconfig: int4 oid
regdictionary: int4 oid
regnamespace: int4 oid
regoper: int4 oid regoperator
regoperator: int4 oid regoper
regproc: int4 oid regprocedure
regprocedure: int4 oid regproc
regrole: int4 oid
regtype: int4 oid
text: bpchar varchar citext
varbit: bit
varchar: bpchar text citext
xml: bpchar text varchar
"""


def _read(table: str) -> Mapping[str, frozenset[str]]:
    rows = (line.split(": ") for line in table.replace("REG", _REG).strip().splitlines())
    return {source: frozenset(targets.split()) for source, targets in rows}


ASSIGNED, EXPLICIT, SAME_BYTES = _read(_ASSIGNED), _read(_EXPLICIT), _read(_SAME_BYTES)

#: Types of category S: everything is assigned to them by its text, and they are cast by theirs.
STRINGS = frozenset(("bpchar", "citext", "name", "text", "varchar"))

_KNOWN = frozenset(
    {*ASSIGNED, *EXPLICIT}
    | {target for table in (ASSIGNED, EXPLICIT) for targets in table.values() for target in targets}
    | {"circle", "line", "pg_lsn", "pg_snapshot", "tid", "tsquery", "tsvector", "uuid", "xid"}
) - {"hstore"}


def base(type_: Type, schema: Schema) -> Type:
    """Return the type below a domain, with its length; any other type as it is."""
    while not type_.array and (domain := schema.typed(type_, schema.domains)):
        type_ = domain.base
    return type_


def domains(type_: Type, schema: Schema) -> Iterator[Domain]:
    """Yield the domain of a type and those that it is over; nothing of another type."""
    while not type_.array and (domain := schema.typed(type_, schema.domains)):
        yield domain
        type_ = domain.base


def castable(old: Type, new: Type, schema: Schema, *, explicit: bool) -> bool | None:
    """Tell whether a cast exists, None where that depends on what is not known.

    Source: find_coercion_pathway. Casts that CREATE CAST made are not known here.
    """
    old, new = base(old, schema), base(new, schema)
    if _same(old, new):
        return True
    if old.array and new.array:
        pair = old._replace(array=False, mods=()), new._replace(array=False, mods=())
        return castable(*pair, schema, explicit=explicit)
    if _is_string(new) or (explicit and _is_string(old)):
        return True
    if not old.array and not new.array and _listed(old.name, new.name, explicit=explicit):
        return True
    return False if known(old, schema) and known(new, schema) else None


def _listed(old: str, new: str, *, explicit: bool) -> bool:
    tables = (ASSIGNED, EXPLICIT) if explicit else (ASSIGNED,)
    return any(new in table.get(old, ()) for table in tables)


def _same(old: Type, new: Type) -> bool:
    """Tell whether two types differ in nothing but a length, or a schema that one leaves out."""
    schemas = (old.schema, new.schema)
    return (old.name, old.array) == (new.name, new.array) and (
        None in schemas or old.schema == new.schema
    )


def _is_string(type_: Type) -> bool:
    return type_.name in STRINGS and not type_.array


def known(type_: Type, schema: Schema) -> bool:
    """Tell whether a type is the server's own, or an enum or composite whose making is known."""
    if type_.schema is None and type_.name in _KNOWN:
        return True
    kinds = (schema.enums, schema.composites)
    return any(schema.typed(type_, kind) is not None for kind in kinds)


# ---------------------------------------------------------------- what stays as it is


def keeps(old: Type, new: Type, schema: Schema, *, utc: bool) -> bool:
    """Tell whether a column's bytes serve the new type as they are, so that nothing is rewritten.

    `utc` says that PostgreSQL 12 or newer runs with TimeZone at UTC. Source:
    ATColumnChangeRequiresRewrite and the support functions of lengths; measured on 11 to 18.
    """
    domain = schema.typed(new, schema.domains)
    if domain is not None and not _same(old, new):
        return not domain.constrained and keeps(old, domain.base, schema, utc=utc)
    if not _same(old, new) and (below := base(old, schema)) != old:
        old = below._replace(mods=())  # the server forgets the length of a domain's base
    if _same(old, new):
        return _length_kept(old, new)
    if old.array or new.array:
        return False
    if {old.name, new.name} == {"timestamp", "timestamptz"}:
        return utc and _precision(new) == _MICROSECONDS
    return not new.mods and new.name in SAME_BYTES.get(old.name, ())


_MICROSECONDS = 6

#: INTERVAL_FULL_RANGE, an interval without fields, and the bit of the field SECOND.
_ALL_FIELDS, _SECOND = 32767, 1 << 12


def _length_kept(old: Type, new: Type) -> bool:
    """Tell whether a length, of the same type, lets through whatever the old one did."""
    if not new.mods or old.mods == new.mods:
        return True
    if new.array:
        return False
    if new.name in ("varchar", "varbit"):
        return bool(old.mods) and new.mods[0] >= old.mods[0]
    if new.name == "numeric":
        return bool(old.mods) and new.mods[0] >= old.mods[0] and _scale(new) == _scale(old)
    if new.name in ("time", "timetz", "timestamp", "timestamptz"):
        return _precision(new) >= _precision(old)
    if new.name == "interval":
        return new.mods[0] == _ALL_FIELDS and _precision(new) >= _precision(old)
    return False


def _scale(type_: Type) -> int:
    return type_.mods[1] if len(type_.mods) > 1 else 0


def _precision(type_: Type) -> int:
    """Return the digits after the second that a type of time keeps."""
    if type_.name == "interval":
        seconds = not type_.mods or type_.mods[0] & _SECOND
        return (*type_.mods, _MICROSECONDS)[1 if type_.mods else 0] if seconds else 0
    return type_.mods[0] if type_.mods else _MICROSECONDS


#: Types that share the operators of another one, so that an index serves both.
_FAMILIES = {"varchar": "text", "cidr": "inet", **dict.fromkeys(_REG.split(), "oid")}


def same_order(old: Type, new: Type, schema: Schema) -> bool:
    """Tell whether an index on the old type serves the new one, the bytes being the same."""
    names = [_FAMILIES.get(one.name, one.name) for one in (base(old, schema), base(new, schema))]
    return names[0] == names[1]


# ---------------------------------------------------------------- what does not fit

_DIGITS = {"int2": 5, "int4": 10, "int8": 19}
_FLOATS = {"float4": 6, "float8": 15}

#: The longest text of types that have one.
_LONGEST = {"bool": 5, "int2": 6, "int4": 11, "int8": 20, "uuid": 36}

#: Assignments that leave something out of some values and raise no error.
_LOSSY = frozenset(
    (
        *(("timestamp", "date"), ("timestamptz", "date"), ("timestamp", "time")),
        *(("timestamptz", "time"), ("timestamptz", "timetz"), ("timetz", "time")),
        *(("interval", "time"), ("inet", "cidr"), ("numeric", "money"), ("float8", "float4")),
        *(("int4", "float4"), ("int8", "float4"), ("int8", "float8")),
    )
)


def overflows(old: Type, new: Type, schema: Schema) -> bool:
    """Tell whether some values of the old type do not fit: an assignment raises an error."""
    if old.array or new.array:
        return False
    labels = schema.typed(old, schema.enums)
    old, new = base(old, schema), base(new, schema)
    if new.name in ("varchar", "bpchar", "varbit", "bit"):
        longest = max(map(len, labels.labels), default=0) if labels else _longest(old)
        return bool(new.mods) and (longest is None or longest > new.mods[0])
    if new.name in _DIGITS:
        # The largest integer is not all nines, so that a number as long may be too large.
        longest = _whole_digits(old) + (old.name == "numeric")
        return old.name in _NUMBERS and longest > _DIGITS[new.name]
    if new.name == "numeric" and new.mods:
        return old.name in _NUMBERS and _whole_digits(old) > new.mods[0] - _scale(new)
    return (old.name, new.name) == ("float8", "float4")


_NUMBERS = frozenset((*_DIGITS, *_FLOATS, "numeric", "money"))


def _longest(type_: Type) -> int | None:
    if type_.name in ("varchar", "bpchar", "varbit", "bit"):
        return type_.mods[0] if type_.mods else None
    return _LONGEST.get(type_.name)


def _whole_digits(type_: Type) -> int:
    """Return the most digits before the point; of a number without a limit, more than any."""
    if type_.name == "numeric" and type_.mods:
        return type_.mods[0] - _scale(type_)
    return _DIGITS.get(type_.name, 1000)


def loses(old: Type, new: Type, schema: Schema, *, explicit: bool) -> bool:
    """Tell whether some values lose digits, characters or parts without an error.

    An explicit cast to a shorter string or bit string cuts, where an assignment refuses.
    """
    if old.array or new.array:
        return False
    if explicit and base(new, schema).name in ("varchar", "bpchar", "varbit", "bit"):
        return overflows(old, new, schema)
    old, new = base(old, schema), base(new, schema)
    if (old.name, new.name) in _LOSSY:
        return True
    if old.name == "numeric" and new.name in _FLOATS:
        return not old.mods or old.mods[0] > _FLOATS[new.name]
    if old.name in ("numeric", *_FLOATS) and new.name in ("numeric", *_DIGITS):
        return _rounded(old, new)
    return _time_cut(old, new)


def _rounded(old: Type, new: Type) -> bool:
    if new.name == "numeric" and not new.mods:
        return old.name in _FLOATS
    return old.name in _FLOATS or not old.mods or _scale(old) > _scale(new)


_TIMES = frozenset(("time", "timetz", "timestamp", "timestamptz", "interval"))


def _time_cut(old: Type, new: Type) -> bool:
    if new.name not in _TIMES or old.name not in _TIMES:
        return False
    fields = new.name == "interval" and bool(new.mods) and new.mods[0] != _ALL_FIELDS
    return _precision(new) < _precision(old) or (fields and old.mods[:1] != new.mods[:1])
