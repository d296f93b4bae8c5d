"""Schemas with rows and a migration for each, made at random for every hazard that rows decide.

Names are odd, about half of the rows are dirty, and some migrations rename or add things first.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

NAMES = (
    "plain",
    "Mixed Case",
    "ünï",
    "select",
    'quo"te',
    "per%cent",
    "it's",
    "a.b",
    ":colon",
    "back\\slash",
    "{}",
    "t",
    "k",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Triple:
    """A schema with rows, and a migration. `alone` cannot run in a transaction."""

    hazard: str
    seed: int
    setup: Sequence[str]
    migration: Sequence[str]
    alone: bool = False


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass(slots=True)
class Maker:
    """Makes one triple; `rng` decides everything."""

    rng: random.Random
    version: int
    setup: list[str] = field(default_factory=list)
    migration: list[str] = field(default_factory=list)
    alone: bool = False
    names: list[str] = field(default_factory=lambda: list(NAMES))
    dirty: bool = False

    def __post_init__(self) -> None:
        self.rng.shuffle(self.names)
        self.dirty = self.rng.random() < 0.5

    def name(self) -> str:
        return quoted(self.names.pop())

    def chance(self, share: float = 0.5) -> bool:
        return self.rng.random() < share

    def table(self, columns: str, *, kinds: str = "rpi", key: str = "id") -> str:
        """Make a table of one of the kinds: plain, partitioned by `key`, or with an heir."""
        table, kind = self.name(), self.rng.choice(kinds)
        if kind == "p":
            self.setup.append(f"CREATE TABLE {table} ({columns}) PARTITION BY LIST (({key} % 2))")
            for part in (0, 1):
                self.setup.append(
                    f"CREATE TABLE part_{part} PARTITION OF {table} FOR VALUES IN ({part})"
                )
            self.setup.append(f"CREATE TABLE part_rest PARTITION OF {table} DEFAULT")
        else:
            self.setup.append(f"CREATE TABLE {table} ({columns})")
        if kind == "i":
            self.setup.append(f"CREATE TABLE heir (more text) INHERITS ({table})")
        return table

    def fill(self, table: str, rows: Sequence[Sequence[str]]) -> None:
        """Insert rows of SQL values."""
        for row in rows:
            self.setup.append(f"INSERT INTO {table} VALUES ({', '.join(row)})")

    def numbers(self) -> range:
        return range(1, self.rng.randint(3, 7))

    def move(self, table: str, column: str | None = None) -> tuple[str, str]:
        """Perhaps rename the table and the column first; return what they are called then."""
        column = column or "id"
        if self.chance(0.3):
            self.migration.append(f"ALTER TABLE {table} ADD COLUMN extra_{len(self.migration)} int")
        if self.chance(0.3):
            new = self.name()
            self.migration.append(f"ALTER TABLE {table} RENAME TO {new}")
            table = new
        if self.chance(0.3) and column != "id":
            new = self.name()
            self.migration.append(f"ALTER TABLE {table} RENAME COLUMN {column} TO {new}")
            column = new
        return table, column

    def run(self, statement: str, *, alone: bool = False) -> None:
        self.migration.append(statement)
        self.alone = self.alone or alone


Case = Callable[[Maker], None]
CASES: dict[str, Case] = {}


def case(make: Case) -> Case:
    CASES[make.__name__.replace("_", "-")] = make
    return make


def triples(number: int, version: int, first: int = 0) -> Iterator[Triple]:
    """Yield so many triples, all hazards in turn."""
    hazards = list(CASES.items())
    for seed in range(first, first + number):
        name, make = hazards[seed % len(hazards)]
        maker = Maker(random.Random(seed), version)
        make(maker)
        yield Triple(
            hazard=name,
            seed=seed,
            setup=maker.setup,
            migration=maker.migration,
            alone=maker.alone,
        )


# ---------------------------------------------------------------- NOT NULL and new columns


@case
def set_not_null(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text")
    if m.chance(0.3) and not m.dirty:
        m.setup.append(f"ALTER TABLE {table} ADD CHECK ({column} IS NOT NULL AND id > 0)")
    elif m.chance(0.3):
        m.setup.append(f"ALTER TABLE {table} ADD CHECK ({column} IS NOT NULL OR id > 0) NOT VALID")
    bad = "NULL" if m.dirty else "'y'"
    m.fill(table, [(str(n), bad if n == 2 else "'x'") for n in m.numbers()])
    table, column = m.move(table, column)
    m.run(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")


@case
def set_not_null_of_a_heir(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text", kinds="i")
    m.fill(table, [(str(n), "'x'") for n in m.numbers()])
    m.setup.append(f"INSERT INTO heir VALUES (9, {'NULL' if m.dirty else quote('z')}, 'm')")
    m.run(f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL")


def quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@case
def add_column_required(m: Maker) -> None:
    table = m.table("id int", kinds="rpi")
    if m.dirty:
        m.fill(table, [(str(n),) for n in m.numbers()])
    table, _ = m.move(table)
    what = m.rng.choice(("int NOT NULL", "text NOT NULL DEFAULT NULL", "int PRIMARY KEY"))
    if "PRIMARY" in what and any("PARTITION" in text for text in m.setup):
        what = "int NOT NULL"
    m.run(f"ALTER TABLE {table} ADD COLUMN {m.name()} {what}")


@case
def add_column_domain(m: Maker) -> None:
    table = m.table("id int", kinds="rp")
    domain = m.name()
    m.setup.append(
        f"CREATE DOMAIN {domain} AS int {'NOT NULL' if m.chance() else ''} CHECK (VALUE > 0)"
    )
    if m.chance():
        inner, domain = domain, m.name()
        m.setup.append(f"CREATE DOMAIN {domain} AS {inner}")
    m.fill(table, [(str(n),) for n in m.numbers()])
    default = m.rng.choice(("", "DEFAULT 5", "DEFAULT -5" if m.dirty else "DEFAULT 7"))
    m.run(f"ALTER TABLE {table} ADD COLUMN {m.name()} {domain} {default}")


@case
def add_column_default_check(m: Maker) -> None:
    table, column = m.table("id int", kinds="rpi"), m.name()
    if m.chance(0.8):
        m.fill(table, [(str(n),) for n in m.numbers()])
    value = "-1" if m.dirty else "1"
    table, _ = m.move(table)
    m.run(f"ALTER TABLE {table} ADD COLUMN {column} int DEFAULT {value} CHECK ({column} > 0)")


@case
def add_column_default_parent(m: Maker) -> None:
    parent = m.name()
    m.setup.append(f"CREATE TABLE {parent} (id int PRIMARY KEY)")
    m.fill(parent, [(str(n),) for n in (1, 2, 3)])
    table = m.table("id int", kinds="r")
    if m.chance(0.8):
        m.fill(table, [(str(n),) for n in m.numbers()])
    value = "9" if m.dirty else "2"
    parent, _ = m.move(parent)
    m.run(f"ALTER TABLE {table} ADD COLUMN {m.name()} int DEFAULT {value} REFERENCES {parent} (id)")


@case
def add_column_then_constrain(m: Maker) -> None:
    table, column = m.table("id int", kinds="rp"), m.name()
    m.fill(table, [(str(n),) for n in m.numbers()])
    default = m.rng.choice(("", "DEFAULT 3", "DEFAULT -3"))
    m.run(f"ALTER TABLE {table} ADD COLUMN {column} int {default}")
    m.run(
        m.rng.choice(
            (
                f"ALTER TABLE {table} ALTER {column} SET NOT NULL",
                f"ALTER TABLE {table} ADD CHECK ({column} > 0)",
                f"ALTER TABLE {table} ADD CHECK ({column} IS NOT NULL)",
                f"ALTER TABLE {table} ALTER {column} TYPE smallint USING ({column} * 20000)",
            )
        )
    )


@case
def several_at_once(m: Maker) -> None:
    column, other = m.name(), m.name()
    table = m.table(f"id int, {column} text, {other} int", kinds="rp")
    bad = "NULL" if m.dirty else "'7'"
    m.fill(table, [(str(n), bad if n == 2 else quote(str(n)), str(n - 2)) for n in m.numbers()])
    parts = [
        f"ADD CHECK ({column}::int > {m.rng.choice((0, 1))})",
        f"ALTER {column} TYPE int USING {column}::int",
        f"ALTER {column} SET NOT NULL",
        f"ADD CHECK ({other} > {m.rng.choice((-3, 0))})",
    ]
    m.rng.shuffle(parts)
    m.run(f"ALTER TABLE {table} {', '.join(parts[: m.rng.randint(2, 4)])}")


# ---------------------------------------------------------------- unique


@case
def add_unique(m: Maker) -> None:
    first, second = m.name(), m.name()
    table = m.table(f"id int, {first} text, {second} int", kinds="r")
    rows = [(str(n), quote(f"v{n}"), str(n)) for n in m.numbers()]
    if m.dirty:
        rows.append(("90", m.rng.choice(("'v1'", "NULL")), m.rng.choice(("1", "NULL"))))
        rows.append(("91", rows[-1][1], rows[-1][2]))
    m.fill(table, rows)
    distinct = "NULLS NOT DISTINCT " if m.version >= 15 and m.chance(0.4) else ""
    deferred = m.rng.choice(("", " DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED"))
    columns = m.rng.choice((first, f"{first}, {second}", f"{second}, {first}"))
    if m.chance(0.2):
        m.setup.append(f"CREATE INDEX ON {table} ({columns})")
    m.run(f"ALTER TABLE {table} ADD UNIQUE {distinct}({columns}){deferred}")


@case
def unique_beside_a_unique_index(m: Maker) -> None:
    first, second = m.name(), m.name()
    table = m.table(f"id int, {first} int, {second} int", kinds="r")
    kind = m.rng.choice(("UNIQUE ({})", "UNIQUE ({}) DEFERRABLE", "PRIMARY KEY ({})"))
    m.setup.append(f"ALTER TABLE {table} ADD {kind.format(first)}")
    m.fill(table, [(str(n), str(n), "5" if m.dirty else str(n)) for n in m.numbers()])
    distinct = "NULLS NOT DISTINCT " if m.version >= 15 and m.chance(0.4) else ""
    if "PRIMARY" not in kind and m.chance():
        m.fill(table, [("8", "NULL", "1"), ("9", "NULL", "1")])
    columns = m.rng.choice((first, f"{first}, {second}", second))
    m.run(f"ALTER TABLE {table} ADD UNIQUE {distinct}({columns})")


@case
def unique_of_a_partitioned_table(m: Maker) -> None:
    column, table = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {table} (id int, {column} int) PARTITION BY HASH (id)")
    for n in (0, 1):
        m.setup.append(
            f"CREATE TABLE part_{n} PARTITION OF {table} FOR VALUES WITH (MODULUS 2, REMAINDER {n})"
        )
    m.fill(table, [(str(n), "1") for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("1", "1")])
    m.run(f"CREATE UNIQUE INDEX {m.name()} ON {table} (id, {column})")


@case
def unique_index_partial_expression(m: Maker) -> None:
    column, live = m.name(), m.name()
    table = m.table(f"id int, {column} text, {live} bool", kinds="r")
    rows = [(str(n), quote(f"v{n}"), "true") for n in m.numbers()]
    rows.append(("90", quote("V1") if m.dirty else "NULL", m.rng.choice(("true", "false", "NULL"))))
    m.fill(table, rows)
    table, column = m.move(table, column)
    key = m.rng.choice((f"lower({column})", f"({column} || 'x'), id", f"upper({column}), {live}"))
    where = m.rng.choice(("", f" WHERE {live}", f" WHERE {column} IS NOT NULL AND id > 1"))
    m.run(f"CREATE UNIQUE INDEX ON {table} ({key}){where}")


@case
def unique_index_concurrently(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} numeric", kinds="r")
    m.fill(table, [(str(n), f"{n}.0") for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("90", "1.00")])
    m.run(f"CREATE UNIQUE INDEX CONCURRENTLY {m.name()} ON {table} ({column})", alone=True)


@case
def primary_key(m: Maker) -> None:
    column, other = m.name(), m.name()
    table = m.table(f"{column} int, {other} int", kinds="r")
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    if m.dirty:
        m.fill(table, [m.rng.choice((("1", "1"), ("NULL", "5"), ("5", "NULL")))])
    table, column = m.move(table, column)
    m.run(f"ALTER TABLE {table} ADD PRIMARY KEY ({m.rng.choice((column, f'{column}, {other}'))})")


@case
def primary_key_using_index(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} int", kinds="r")
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("9", "NULL")])
    m.setup.append(f"CREATE UNIQUE INDEX ui ON {table} ({column})")
    m.run(f"ALTER TABLE {table} ADD CONSTRAINT pk PRIMARY KEY USING INDEX ui")


# ---------------------------------------------------------------- foreign keys


@case
def foreign_key(m: Maker) -> None:
    parent, column = m.table("id int PRIMARY KEY", kinds="r"), m.name()
    m.fill(parent, [(str(n),) for n in (1, 2, 3)])
    child = m.table(f"id int, {column} bigint", kinds="ri")
    m.fill(child, [(str(n), m.rng.choice(("1", "2", "NULL"))) for n in m.numbers()])
    if m.dirty:
        m.fill(child, [("9", "9")])
    parent, _ = m.move(parent)
    child, column = m.move(child, column)
    if m.chance():
        m.run(f"ALTER TABLE {child} ADD CONSTRAINT fk FOREIGN KEY ({column}) REFERENCES {parent}")
        return
    m.run(
        f"ALTER TABLE {child} ADD CONSTRAINT fk FOREIGN KEY ({column}) REFERENCES {parent} (id)"
        f"{m.rng.choice(('', ' DEFERRABLE INITIALLY DEFERRED'))} NOT VALID"
    )
    m.run(f"ALTER TABLE {child} VALIDATE CONSTRAINT fk")


@case
def foreign_key_that_is_not_valid(m: Maker) -> None:
    parent, column = m.table("id int PRIMARY KEY", kinds="r"), m.name()
    m.fill(parent, [(str(n),) for n in (1, 2, 3)])
    child = m.table(f"id int, {column} int", kinds="r")
    m.fill(child, [(str(n), "2") for n in m.numbers()])
    if m.dirty:
        m.fill(child, [("9", "9")])
    made = f"CONSTRAINT fk FOREIGN KEY ({column}) REFERENCES {parent} NOT VALID"
    m.setup.append(f"ALTER TABLE {child} ADD {made}")
    child, column = m.move(child, column)
    m.run(f"ALTER TABLE {child} VALIDATE CONSTRAINT fk")


@case
def foreign_key_composite(m: Maker) -> None:
    parent, one, two = m.name(), m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} ({one} int, {two} text, UNIQUE ({one}, {two}))")
    m.fill(parent, [("1", "'a'"), ("2", "'b'")])
    child = m.table(f"id int, {one} int, {two} text", kinds="r")
    m.fill(child, [(str(n), "1", "'a'") for n in m.numbers()])
    odd = m.rng.choice((("8", "NULL", "'a'"), ("8", "NULL", "NULL"), ("8", "1", "NULL")))
    m.fill(child, [odd] + ([("9", "1", "'b'")] if m.dirty else []))
    match = m.rng.choice(("", " MATCH FULL", " MATCH SIMPLE"))
    key = f"({one}, {two})"
    m.run(f"ALTER TABLE {child} ADD FOREIGN KEY {key} REFERENCES {parent} {key}{match}")


@case
def foreign_key_to_itself(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int PRIMARY KEY, {column} int", kinds="r")
    m.fill(table, [("1", "NULL"), ("2", "1"), ("3", "7" if m.dirty else "2")])
    table, column = m.move(table, column)
    m.run(f"ALTER TABLE {table} ADD FOREIGN KEY ({column}) REFERENCES {table}")


@case
def foreign_key_of_partitions(m: Maker) -> None:
    parent, child = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    m.setup.append(f"CREATE TABLE low PARTITION OF {parent} FOR VALUES FROM (0) TO (10)")
    m.setup.append(f"CREATE TABLE high PARTITION OF {parent} DEFAULT")
    m.fill(parent, [("1",), ("20",)])
    m.setup.append(f"CREATE TABLE {child} (id int, p int) PARTITION BY LIST (id)")
    m.setup.append(f"CREATE TABLE child_rest PARTITION OF {child} DEFAULT")
    m.fill(child, [("1", "1"), ("2", "20"), ("3", "30" if m.dirty else "NULL")])
    m.run(f"ALTER TABLE {child} ADD FOREIGN KEY (p) REFERENCES {parent}")


@case
def foreign_key_to_a_new_table(m: Maker) -> None:
    column, parent = m.name(), m.name()
    child = m.table(f"id int, {column} int", kinds="r")
    m.fill(child, [(str(n), "1" if m.dirty else "NULL") for n in m.numbers()])
    m.run(f"CREATE TABLE {parent} (id int PRIMARY KEY)")
    m.run(f"ALTER TABLE {child} ADD FOREIGN KEY ({column}) REFERENCES {parent}")


# ---------------------------------------------------------------- checks and exclusions


@case
def add_check(m: Maker) -> None:
    column, other = m.name(), m.name()
    table = m.table(f"id int, {column} int, {other} text")
    rows = [(str(n), str(n), quote(f"t{n}")) for n in m.numbers()]
    rows.append(("8", m.rng.choice(("0", "99")) if m.dirty else "NULL", "NULL"))
    m.fill(table, rows)
    table, column = m.move(table, column)
    condition = m.rng.choice(
        (
            f"{column} > 0 AND {column} < 50",
            f"10 / {column} >= 0",
            f"{column} BETWEEN 1 AND 9 OR {other} LIKE 't%'",
            f"{column} IN (1, 2, 3, 4, 5, 6, 7)",
            f"coalesce({column}, 0) <> 99 AND length({other}) > 1",
            f"({column} IS NULL) = ({other} IS NULL)",
            f"CASE WHEN {column} > 50 THEN false ELSE true END",
        )
    )
    m.run(f"ALTER TABLE {table} ADD CONSTRAINT {m.name()} CHECK ({condition})")


@case
def validate_check(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} int")
    m.fill(table, [(str(n), "-1" if m.dirty and n == 2 else str(n)) for n in m.numbers()])
    live = m.chance()
    add = f"ALTER TABLE {table} ADD CONSTRAINT ck CHECK ({column} > 0) NOT VALID"
    (m.setup if live else m.migration).append(add)
    table, column = m.move(table, column)
    m.run(f"ALTER TABLE {table} VALIDATE CONSTRAINT ck")


@case
def exclusion(m: Maker) -> None:
    room, span = m.name(), m.name()
    kind, make = m.rng.choice(
        (
            ("int4range", "int4range({0}, {1})"),
            ("daterange", "daterange(date '2025-01-01' + {0}, date '2025-01-01' + {1})"),
            ("numrange", "numrange({0}, {1}, '[]')"),
        )
    )
    table = m.table(f"id int, {room} int, {span} {kind}", kinds="r")
    rows = [(str(n), str(n % 2), make.format(n * 10, n * 10 + 8)) for n in m.numbers()]
    rows.append(("8", "NULL", make.format(10, 90)))
    rows.append(("9", "1", m.rng.choice(("NULL", f"'empty'::{kind}"))))
    if m.dirty:
        rows.append(("7", m.rng.choice(("0", "1")), make.format(1, 99)))
    m.fill(table, rows)
    table, span = m.move(table, span)
    equal = m.rng.choice((f"{room} WITH =, ", ""))
    where = m.rng.choice(("", " WHERE (id < 9)", f" WHERE ({room} IS NOT NULL)"))
    m.run(f"ALTER TABLE {table} ADD EXCLUDE USING gist ({equal}{span} WITH &&){where}")


@case
def exclusion_of_equal_rows(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text, c circle", kinds="r")
    m.fill(table, [(str(n), quote(f"v{n}"), f"'<({n * 9},0),1>'") for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("8", "'v1'", "'<(9,0),1>'")])
    m.run(
        m.rng.choice(
            (
                f"ALTER TABLE {table} ADD EXCLUDE ({column} WITH =)",
                f"ALTER TABLE {table} ADD EXCLUDE USING gist (c WITH &&)",
            )
        )
    )


# ---------------------------------------------------------------- types


def _retype(m: Maker, old: str, values: Sequence[str], bad: Sequence[str], new: str) -> None:
    """Change a column's type; {} in `new` is the column, for USING."""
    column = m.name()
    table = m.table(f"id int, {column} {old}", kinds="rpi")
    chosen = [m.rng.choice((*values, "NULL")) for _ in m.numbers()]
    if m.dirty:
        chosen.append(m.rng.choice(list(bad)))
    m.fill(table, [(str(n), value) for n, value in enumerate(chosen, start=1)])
    table, column = m.move(table, column)
    m.run(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {new.format(column)}")


@case
def text_to_int(m: Maker) -> None:
    bad = ("'x'", "''", "'99999999999'", "'1.5'", "'1 2'", "'0x1G'", "'12a'")
    good = ("'1'", "' 42 '", "'-7'", "'+3'", "'2147483647'")
    _retype(m, m.rng.choice(("text", "varchar(20)")), good, bad, "int USING {0}::int")


@case
def text_to_others(m: Maker) -> None:
    kind, good, bad = m.rng.choice(
        (
            ("timestamp", ("'2025-01-01'", "'now'", "'infinity'"), ("'2025-13-01'", "'x'")),
            ("date", ("'2025-01-01'", "'1 Jan 2024'"), ("'2025-02-30'", "''")),
            ("uuid", ("'c6a5b0b0-0000-4000-8000-000000000001'",), ("'c6a5'", "'zz'")),
            ("jsonb", ("'{}'", "'[1, 2]'", "'null'"), ("'{'", "'{a: 1}'", "'\"\\u0000\"'")),
            ("boolean", ("'yes'", "'t'", "'0'"), ("'maybe'", "''")),
            ("numeric(5,2)", ("'1.239'", "'999.99'"), ("'1000'", "'x'")),
            ("interval", ("'1 day'", "'PT5M'"), ("'much'",)),
            ("inet", ("'10.0.0.1'",), ("'300.1.1.1'",)),
        )
    )
    old = m.rng.choice(("text", "varchar(60)"))
    _retype(m, old, good, bad, f"{kind} USING {{0}}::{kind}")


@case
def padded_text_to_others(m: Maker) -> None:
    kind, good, bad = m.rng.choice(
        (
            ("int", ("'1'", "'22'"), ("'x'",)),
            ("text", ("'a '",), ("'b'",)),
            ("date", ("'2025-01-01'",), ("'x'",)),
        )
    )
    _retype(m, "char(12)", good, bad, f"{kind} USING {{0}}::{kind}")


@case
def number_to_number(m: Maker) -> None:
    old, new, good, bad = m.rng.choice(
        (
            ("bigint", "int", ("1", "-2147483648"), ("2147483648", "-2147483649")),
            ("bigint", "smallint", ("32767",), ("32768",)),
            ("numeric", "int", ("1.4", "2147483647.4"), ("2147483647.5", "'NaN'")),
            ("numeric(12,2)", "numeric(5,2)", ("999.99", "0"), ("1000", "-1000")),
            ("numeric(6,3)", "numeric(4,1)", ("1.25", "999.94"), ("999.95",)),
            ("numeric", "numeric(4,3)", ("9.9994", "'NaN'"), ("9.9995", "10")),
            ("float8", "numeric(6,2)", ("1.5", "'NaN'"), ("'Infinity'", "1e5")),
            ("float8", "int", ("1.5", "-3e4"), ("3e9", "'NaN'")),
            ("float8", "real", ("1.5",), ("1e300", "1e-300")),
            ("int", "numeric(3,0)", ("999",), ("1000",)),
            ("real", "smallint", ("1.5",), ("40000",)),
            ("int", "bigint", ("1",), ("2",)),
            ("int", "text", ("1",), ("2",)),
        )
    )
    _retype(m, old, good, bad, new + (f" USING {{0}}::{new}" if m.chance(0.3) else ""))


@case
def text_to_shorter_text(m: Maker) -> None:
    old = m.rng.choice(("text", "varchar(20)", "char(9)", "varchar"))
    new = m.rng.choice(("varchar(5)", "char(5)"))
    good = ("'abcde'", "'abc      '" if old != "char(9)" else "'abc'", "'äöüßé'", "''")
    _retype(m, old, good, ("'abcdef'", "'äöüßéx'"), new)


@case
def others_to_shorter_text(m: Maker) -> None:
    old, good, bad = m.rng.choice(
        (
            ("int", ("1", "-99"), ("123456",)),
            ("bool", ("true",), ("false",)),
            ("numeric", ("1.25",), ("1234.5",)),
        )
    )
    _retype(m, old, good, bad, "varchar(4)")


@case
def json_to_jsonb(m: Maker) -> None:
    good = ("'{\"a\": 1}'", r"""'{"b": "\\u0000"}'""", "'1'")
    _retype(m, "json", good, (r"""'{"a": "\u0000"}'""", r"""'["\u0000x"]'"""), "jsonb")


@case
def using_an_expression(m: Maker) -> None:
    new = m.rng.choice(
        (
            "int USING nullif({0}, '')::int",
            "int USING (trim({0}) || '0')::int",
            "varchar(3) USING lower({0})",
            "numeric(4,1) USING ({0}::numeric / 2)",
            "boolean USING ({0} = 'yes')",
            "int USING length({0})",
            "int USING CASE WHEN {0} ~ '^[0-9]+$' THEN {0}::int ELSE NULL END",
        )
    )
    _retype(m, "text", ("'1'", "'12'", "''"), ("'x'", "'12345'", "'yes!'"), new)


@case
def using_in_a_required_column(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text NOT NULL", kinds="rp")
    m.fill(table, [(str(n), "''" if m.dirty and n == 2 else "'5'") for n in m.numbers()])
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE int USING nullif({column}, '')::int")


@case
def type_below_a_unique_index(m: Maker) -> None:
    column = m.name()
    old, new, values, bad = m.rng.choice(
        (
            ("text", "citext", ("'a'", "'b'"), "'A'"),
            ("text", "int USING {0}::int", ("'1'", "'2'"), "'01'"),
            ("numeric", "int", ("1.2", "2.2"), "1.4"),
            ("timestamp", "date", ("'2025-01-01 10:00'", "'2025-01-02'"), "'2025-01-01 11:00'"),
            ("varchar(20)", "varchar(2) USING {0}::varchar(2)", ("'abc'", "'bcd'"), "'abd'"),
            ("int", "bigint", ("1", "2"), "3"),
        )
    )
    table = m.table(f"id int, {column} {old}", kinds="r")
    m.setup.append(f"CREATE UNIQUE INDEX ON {table} ({column})")
    m.fill(table, [(str(n), value) for n, value in enumerate(values)])
    if m.dirty:
        m.fill(table, [("9", bad)])
    table, column = m.move(table, column)
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE {new.format(column)}")


@case
def type_below_a_check(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} numeric CHECK ({column} < 10)", kinds="rp")
    m.fill(table, [(str(n), "9.6" if m.dirty and n == 2 else "9.1") for n in m.numbers()])
    new = m.rng.choice(("int", "numeric(6,0)", f"int USING round({column})"))
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE {new}")


@case
def type_in_two_steps(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text", kinds="r")
    m.fill(table, [(str(n), quote("70000" if m.dirty and n == 2 else str(n))) for n in m.numbers()])
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE int USING {column}::int")
    table, column = m.move(table, column)
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE smallint")
    m.run(f"ALTER TABLE {table} ADD CHECK ({column} < 60000)")


@case
def enum_narrow(m: Maker) -> None:
    column, kind = m.name(), m.name()
    m.setup.append(f"CREATE TYPE {kind} AS ENUM ('a', 'B', 'it''s')")
    table = m.table(f"id int, {column} {kind}", kinds="rpi")
    m.fill(table, [(str(n), "'a'") for n in m.numbers()])
    m.fill(table, [("8", "'it''s'" if m.dirty else "NULL"), ("9", "'B'")])
    m.run(f"ALTER TYPE {kind} RENAME TO old_kind")
    m.run(f"CREATE TYPE {kind} AS ENUM ('a', 'B')")
    using = m.rng.choice(
        (
            f"{column}::text::{kind}",
            f"({column}::text)::{kind}",
            f"CASE {column}::text WHEN 'B' THEN 'a' ELSE {column}::text END::{kind}",
        )
    )
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE {kind} USING {using}")


@case
def text_to_enum(m: Maker) -> None:
    column, kind = m.name(), m.name()
    make = f"CREATE TYPE {kind} AS ENUM ('a', 'B')"
    (m.setup if m.chance() else m.migration).append(make)
    table = m.table(f"id int, {column} text", kinds="r")
    m.fill(table, [(str(n), "'a'") for n in m.numbers()])
    m.fill(table, [("8", m.rng.choice(("'b'", "''", "'a '")) if m.dirty else "NULL")])
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE {kind} USING {column}::{kind}")


@case
def int_to_domain(m: Maker) -> None:
    column, kind = m.name(), m.name()
    null = m.rng.choice(("", "NOT NULL"))
    m.setup.append(f"CREATE DOMAIN {kind} AS int {null} CHECK (VALUE > 0) CHECK (VALUE < 99)")
    table = m.table(f"id int, {column} int", kinds="r")
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    m.fill(table, [("8", m.rng.choice(("0", "99", "NULL")) if m.dirty else "7")])
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE {kind}")


# ---------------------------------------------------------------- domains


@case
def domain_add_check(m: Maker) -> None:
    column, kind = m.name(), m.name()
    m.setup.append(f"CREATE DOMAIN {kind} AS int")
    m.setup.append(f"CREATE DOMAIN over AS {kind}")
    table = m.table(f"id int, {column} {m.rng.choice((kind, 'over'))}", kinds="rpi")
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    m.fill(table, [("8", "-1" if m.dirty else "NULL")])
    table, column = m.move(table, column)
    if m.chance():
        m.run(f"ALTER DOMAIN {kind} ADD CONSTRAINT positive CHECK (VALUE > 0)")
        return
    add = f"ALTER DOMAIN {kind} ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID"
    (m.setup if m.chance() else m.migration).append(add)
    m.run(f"ALTER DOMAIN {kind} VALIDATE CONSTRAINT positive")


@case
def domain_set_not_null(m: Maker) -> None:
    column, kind = m.name(), m.name()
    m.setup.append(f"CREATE DOMAIN {kind} AS text")
    table = m.table(f"id int, {column} {kind}", kinds="rpi")
    m.fill(table, [(str(n), "'x'") for n in m.numbers()])
    m.fill(table, [("8", "NULL" if m.dirty else "'y'")])
    m.run(f"ALTER DOMAIN {kind} SET NOT NULL")


# ---------------------------------------------------------------- partitions


@case
def attach_range(m: Maker) -> None:
    parent, key = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (id int, {key} int) PARTITION BY RANGE ({key})")
    m.setup.append(f"CREATE TABLE first_part PARTITION OF {parent} FOR VALUES FROM (0) TO (100)")
    default = m.chance()
    if default:
        m.setup.append(f"CREATE TABLE rest PARTITION OF {parent} DEFAULT")
        m.fill("rest", [("1", "150" if m.dirty and m.chance() else "900"), ("2", "NULL")])
    candidate = m.name()
    m.setup.append(f"CREATE TABLE {candidate} (id int, {key} int)")
    m.fill(candidate, [(str(n), str(100 + n)) for n in m.numbers()])
    if m.dirty:
        m.fill(candidate, [("8", m.rng.choice(("200", "99", "NULL")))])
    upper = m.rng.choice(("200", "MAXVALUE")) if not default else "200"
    m.run(f"ALTER TABLE {parent} ATTACH PARTITION {candidate} FOR VALUES FROM (100) TO ({upper})")


@case
def attach_range_of_two_keys(m: Maker) -> None:
    parent, candidate = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (a int, b text) PARTITION BY RANGE (a, b)")
    m.setup.append(f"CREATE TABLE {candidate} (a int, b text)")
    m.fill(candidate, [("1", "'m'"), ("1", "'z'"), ("2", "'a'"), ("3", "'b'")])
    if m.dirty:
        m.fill(candidate, [m.rng.choice((("1", "'b'"), ("3", "'z'"), ("2", "NULL"), ("4", "'a'")))])
    bounds = m.rng.choice(("FROM (1, 'm') TO (3, 'c')", "FROM (1, MINVALUE) TO (3, MAXVALUE)"))
    m.run(f"ALTER TABLE {parent} ATTACH PARTITION {candidate} FOR VALUES {bounds}")


@case
def attach_list(m: Maker) -> None:
    parent, candidate, key = m.name(), m.name(), m.name()
    by = m.rng.choice((key, f"lower({key})"))
    m.setup.append(f"CREATE TABLE {parent} ({key} text, id int) PARTITION BY LIST ({by})")
    m.setup.append(f"CREATE TABLE {candidate} ({key} text, id int)")
    null = m.chance()
    m.fill(candidate, [("'x'", "1"), ("'it''s'", "2")] + ([("NULL", "3")] if null else []))
    if m.dirty:
        m.fill(candidate, [("'z'", "4")])
    listed = f"'x', 'it''s'{', NULL' if m.chance() else ''}"
    m.run(f"ALTER TABLE {parent} ATTACH PARTITION {candidate} FOR VALUES IN ({listed})")


@case
def attach_hash(m: Maker) -> None:
    parent, candidate = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (id int, v text) PARTITION BY HASH (id)")
    m.setup.append(f"CREATE TABLE {candidate} (id int, v text)")
    same = f"satisfies_hash_partition({quote(parent)}::regclass, 4, 1, n)"
    where = "true" if m.dirty else same
    m.setup.append(
        f"INSERT INTO {candidate} SELECT n, 'v' FROM generate_series(1, 20) AS n WHERE {where}"
    )
    new = m.name()
    m.run(f"ALTER TABLE {candidate} RENAME TO {new}")
    m.run(f"ALTER TABLE {parent} ATTACH PARTITION {new} FOR VALUES WITH (MODULUS 4, REMAINDER 1)")


@case
def attach_default(m: Maker) -> None:
    parent, candidate = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (k int) PARTITION BY RANGE (k)")
    m.setup.append(f"CREATE TABLE one PARTITION OF {parent} FOR VALUES FROM (0) TO (10)")
    m.setup.append(f"CREATE TABLE two PARTITION OF {parent} FOR VALUES FROM (20) TO (MAXVALUE)")
    m.setup.append(f"CREATE TABLE {candidate} (k int)")
    m.fill(candidate, [("-1",), ("15",), ("NULL",)] + ([("5",)] if m.dirty else []))
    m.run(f"ALTER TABLE {parent} ATTACH PARTITION {candidate} DEFAULT")


@case
def attach_below_a_unique_key(m: Maker) -> None:
    parent, candidate = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (k int, v int, UNIQUE (k, v)) PARTITION BY RANGE (k)")
    m.setup.append(f"CREATE TABLE {candidate} (k int, v int)")
    m.fill(candidate, [("1", "1"), ("2", "1")] + ([("2", "1")] if m.dirty else []))
    m.run(f"ALTER TABLE {parent} ATTACH PARTITION {candidate} FOR VALUES FROM (0) TO (9)")


@case
def create_partition_beside_a_default(m: Maker) -> None:
    parent, key = m.name(), m.name()
    kind = m.rng.choice(("RANGE", "LIST"))
    m.setup.append(f"CREATE TABLE {parent} (id int, {key} int) PARTITION BY {kind} ({key})")
    m.setup.append(f"CREATE TABLE rest PARTITION OF {parent} DEFAULT")
    m.fill(parent, [("1", "5" if m.dirty else "50"), ("2", "NULL")])
    bound = "FROM (1) TO (10)" if kind == "RANGE" else "IN (4, 5, 6)"
    if m.chance():
        m.run("ALTER TABLE rest RENAME TO others")
    m.run(f"CREATE TABLE {m.name()} PARTITION OF {parent} FOR VALUES {bound}")


# ---------------------------------------------------------------- expressions


@case
def generated_column(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} int, s text", kinds="rp")
    m.fill(table, [(str(n), str(n), quote(str(n))) for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("8", m.rng.choice(("0", "NULL")), m.rng.choice(("'x'", "NULL")))])
    table, column = m.move(table, column)
    what = m.rng.choice(
        (
            f"int GENERATED ALWAYS AS (100 / {column}) STORED",
            "int GENERATED ALWAYS AS (s::int) STORED",
            f"int GENERATED ALWAYS AS ({column} + 1) STORED NOT NULL",
            "varchar(1) GENERATED ALWAYS AS (s || '') STORED",
            f"smallint GENERATED ALWAYS AS ({column} * 4000) STORED",
            "text GENERATED ALWAYS AS (lower(s)) STORED CHECK (id < 8)",
        )
    )
    m.run(f"ALTER TABLE {table} ADD COLUMN g {what}")


@case
def expression_index(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} jsonb, s text", kinds="r")
    m.fill(table, [(str(n), f'\'{{"n": "{n}"}}\'', "'7'") for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("8", '\'{"n": "x"}\'', "'x'")])
    table, column = m.move(table, column)
    key = m.rng.choice((f"(({column} ->> 'n')::int)", "(s::int)", "(100 / (id - 8))", "(lower(s))"))
    where = m.rng.choice(("", " WHERE id < 8", f" WHERE {column} IS NOT NULL"))
    m.run(f"CREATE INDEX ON {table} ({key}){where}")


@case
def index_row_too_large(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text", kinds="r")
    pieces = 400 if m.dirty else m.rng.choice((10, 40))
    m.setup.append(
        f"INSERT INTO {table} SELECT n, (SELECT string_agg(md5(random()::text), '')"
        f" FROM generate_series(1, {pieces} + n)) FROM generate_series(1, 3) AS n"
    )
    m.fill(table, [("9", "repeat('x', 20000)")])
    m.run(f"CREATE {m.rng.choice(('', 'UNIQUE '))}INDEX ON {table} ({column})")


# ---------------------------------------------------------------- rows


@case
def delete_blocked(m: Maker) -> None:
    parent, column = m.table("id int PRIMARY KEY, v text", kinds="r"), m.name()
    m.fill(parent, [(str(n), quote(f"v{n}")) for n in (1, 2, 3, 4)])
    child = m.table(f"id int, {column} int", kinds="r")
    action = m.rng.choice(("", " ON DELETE CASCADE", " ON DELETE RESTRICT", " ON DELETE SET NULL"))
    m.setup.append(
        f"ALTER TABLE {child} ADD FOREIGN KEY ({column}) REFERENCES {parent} (id){action}"
    )
    m.fill(child, [("1", "1"), ("2", "2" if m.dirty else "NULL")])
    parent, _ = m.move(parent)
    where = m.rng.choice(("id IN (2, 3)", "id > 1", "v = 'v2'", "v LIKE '%2' OR id = 4"))
    m.run(f"DELETE FROM {parent} WHERE {where}")


@case
def insert_seed(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int PRIMARY KEY, {column} text UNIQUE, v int", kinds="r")
    m.fill(table, [(str(n), quote(f"v{n}"), "NULL") for n in m.numbers()])
    table, column = m.move(table, column)
    given = m.rng.choice(("(1, 'new', 1)", "(50, 'v2', 1)")) if m.dirty else "(50, 'new', 1)"
    conflict = m.rng.choice(("", "", " ON CONFLICT DO NOTHING"))
    m.run(f"INSERT INTO {table} (id, {column}, v) VALUES (60, 'other', 2), {given}{conflict}")


@case
def repaired_before(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} int", kinds="rp")
    m.fill(table, [(str(n), "NULL" if m.dirty and n == 2 else str(n)) for n in m.numbers()])
    m.run(
        m.rng.choice(
            (
                f"UPDATE {table} SET {column} = 0 WHERE {column} IS NULL",
                f"UPDATE {table} SET {column} = NULL WHERE id = 1",
                f"UPDATE {table} SET id = id + 2",
                f"DELETE FROM {table} WHERE {column} IS NULL",
                f"INSERT INTO {table} VALUES (90, NULL)",
                f"DELETE FROM {table} WHERE id = 1",
            )
        )
    )
    m.run(f"ALTER TABLE {table} ALTER {column} SET NOT NULL")


# ---------------------------------------------------------------- schemas, orders, several steps


@case
def another_schema(m: Maker) -> None:
    schema, column, table = m.name(), m.name(), m.name()
    m.setup.append(f"CREATE SCHEMA {schema}")
    m.setup.append(f"CREATE TABLE {schema}.{table} (id int, {column} text)")
    m.setup.append(f"CREATE TABLE {table} (id int, {column} text)")
    m.setup.append(f"INSERT INTO {table} VALUES (1, NULL), (1, NULL)")
    m.fill(f"{schema}.{table}", [(str(n), f"'v{n}'") for n in m.numbers()])
    if m.dirty:
        m.fill(f"{schema}.{table}", [("1", m.rng.choice(("NULL", "'v1'")))])
    named = f"{schema}.{table}"
    if m.chance():
        m.run(f"SET LOCAL search_path = {schema}, public")
        named = table
    if m.chance(0.3):
        m.run(f"COMMENT ON TABLE {named} IS 'x'")
    what = m.rng.choice(
        (f"ALTER {column} SET NOT NULL", "ADD UNIQUE (id)", f"ADD PRIMARY KEY (id, {column})")
    )
    m.run(f"ALTER TABLE {named} {what}")


@case
def unique_index_with_orders(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text", kinds="r")
    m.fill(table, [(str(n), f"'v{n}'") for n in m.numbers()])
    m.fill(table, [("1", m.rng.choice(("'v1'", "'V1'", "NULL")))] if m.dirty else [("2", "NULL")])
    key = m.rng.choice(
        (
            f"{column} DESC NULLS LAST",
            f'{column} COLLATE "C"',
            f"{column} text_pattern_ops",
            f'id DESC, {column} COLLATE "C" text_pattern_ops',
        )
    )
    distinct = " NULLS NOT DISTINCT" if m.version >= 15 and m.chance() else ""
    m.run(f"CREATE UNIQUE INDEX ON {table} ({key}) INCLUDE (id){distinct}")


@case
def new_column_that_numbers_itself(m: Maker) -> None:
    table = m.table("id int", kinds="r")
    if m.dirty:
        m.fill(table, [(str(n),) for n in m.numbers()])
    column = m.name()
    what = m.rng.choice(
        (
            "serial PRIMARY KEY",
            "uuid PRIMARY KEY DEFAULT gen_random_uuid()",
            "int GENERATED ALWAYS AS IDENTITY UNIQUE",
            "int UNIQUE DEFAULT 1",
            "int UNIQUE",
            "timestamptz NOT NULL DEFAULT now() + interval '1 day'",
            "text[] NOT NULL DEFAULT ARRAY[]::text[]",
        )
    )
    m.run(f"ALTER TABLE {table} ADD COLUMN {column} {what}")
    if m.chance(0.3) and "int UNIQUE" not in what:
        m.run(f"ALTER TABLE {table} ALTER {column} SET NOT NULL")


@case
def check_of_the_parent_alone(m: Maker) -> None:
    table = m.table("id int", kinds="i")
    m.fill(table, [(str(n),) for n in m.numbers()])
    m.setup.append(f"INSERT INTO heir VALUES ({'-1' if m.dirty else '1'}, 'm')")
    m.run(f"ALTER TABLE {table} ADD CHECK (id > 0){m.rng.choice(('', ' NO INHERIT'))}")


@case
def attach_below_a_partition(m: Maker) -> None:
    top, middle, candidate = m.name(), m.name(), m.name()
    m.setup.append(f"CREATE TABLE {top} (a int, b int) PARTITION BY RANGE (a)")
    part = f"PARTITION OF {top} FOR VALUES FROM (0) TO (100) PARTITION BY LIST (b)"
    m.setup.append(f"CREATE TABLE {middle} {part}")
    m.setup.append(f"CREATE TABLE {candidate} (a int, b int)")
    m.fill(candidate, [("1", "1"), ("99", "2")])
    if m.dirty:
        m.fill(candidate, [m.rng.choice((("100", "1"), ("5", "3"), ("NULL", "1")))])
    m.run(f"ALTER TABLE {middle} ATTACH PARTITION {candidate} FOR VALUES IN (1, 2)")


@case
def both_sides_of_a_key_grow(m: Maker) -> None:
    parent, child, column = m.name(), m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (id int PRIMARY KEY)")
    m.setup.append(f"CREATE TABLE {child} (id int, {column} int REFERENCES {parent})")
    m.fill(parent, [("1",), ("2",)])
    m.fill(child, [("1", "1"), ("2", "NULL")])
    kind = "bigint" if not m.dirty else m.rng.choice(("smallint", "bigint"))
    m.run(f"ALTER TABLE {parent} ALTER id TYPE {kind}")
    m.run(f"ALTER TABLE {child} ALTER {column} TYPE {kind}")


@case
def retyped_then_referred(m: Maker) -> None:
    parent, child, column = m.name(), m.name(), m.name()
    m.setup.append(f"CREATE TABLE {parent} (id text)")
    m.setup.append(f"CREATE TABLE {child} (id int, {column} text)")
    m.fill(parent, [("'1'",), ("'02'",), ("'2'" if m.dirty and m.chance() else "'3'",)])
    m.fill(child, [("1", "'01'"), ("2", "'2'"), ("3", "'9'" if m.dirty else "NULL")])
    m.run(f"ALTER TABLE {parent} ALTER id TYPE int USING id::int")
    m.run(f"ALTER TABLE {parent} ADD PRIMARY KEY (id)")
    m.run(f"ALTER TABLE {child} ALTER {column} TYPE int USING {column}::int")
    m.run(f"ALTER TABLE {child} ADD FOREIGN KEY ({column}) REFERENCES {parent}")


@case
def set_expression(m: Maker) -> None:
    column = m.name()
    table = m.table("id int, v int", kinds="r")
    m.setup.append(
        f"ALTER TABLE {table} ADD COLUMN {column} int GENERATED ALWAYS AS (v + 1) STORED NOT NULL"
    )
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("9", "0")])
    value = m.rng.choice(("10 / v", "nullif(v, 0)", "v * 2"))
    if m.version < 17:
        m.run(f"ALTER TABLE {table} ADD CHECK ({value} IS NOT NULL)")
        return
    m.run(f"ALTER TABLE {table} ALTER {column} SET EXPRESSION AS ({value})")


@case
def domain_of_a_domain(m: Maker) -> None:
    column, inner, outer = m.name(), m.name(), m.name()
    m.setup.append(f"CREATE DOMAIN {inner} AS text CHECK (VALUE <> '')")
    own = m.rng.choice(("", "CHECK (length(VALUE) < 5)"))
    m.setup.append(f"CREATE DOMAIN {outer} AS {inner} {own}")
    table = m.table(f"id int, {column} text", kinds="rp")
    m.fill(table, [(str(n), f"'v{n}'") for n in m.numbers()])
    if m.dirty:
        m.fill(table, [("9", m.rng.choice(("''", "'abcdef'")) if own else "''")])
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE {outer} USING {column}::{outer}")


@case
def partial_unique_then_written(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text, gone bool", kinds="r")
    m.fill(table, [(str(n), f"'v{n}'", "false") for n in m.numbers()])
    m.fill(table, [("9", "'v1'", "false" if m.dirty else "true")])
    if m.chance():
        m.run(f"DELETE FROM {table} WHERE id = 9")
    m.run(f"CREATE UNIQUE INDEX ON {table} ({column}) WHERE NOT gone")


@case
def by_a_block(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text", kinds="r")
    m.fill(table, [(str(n), "NULL" if m.dirty and n == 2 else "'x'") for n in m.numbers()])
    inner = f"ALTER TABLE {table} ADD CONSTRAINT filled CHECK ({column} IS NOT NULL)"
    m.run(f"DO $$ BEGIN {inner}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")


@case
def name_swapped(m: Maker) -> None:
    one, two = m.name(), m.name()
    table = m.table(f"id int, {one} text, {two} text", kinds="rp")
    m.fill(table, [(str(n), "'x'", "NULL" if m.dirty else "'y'") for n in m.numbers()])
    m.run(f"ALTER TABLE {table} RENAME COLUMN {one} TO tmp")
    m.run(f"ALTER TABLE {table} RENAME COLUMN {two} TO {one}")
    m.run(f"ALTER TABLE {table} RENAME COLUMN tmp TO {two}")
    m.run(f"ALTER TABLE {table} ALTER {m.rng.choice((one, two))} SET NOT NULL")


@case
def table_replaced(m: Maker) -> None:
    table, column = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {table} (id int, {column} text)")
    m.fill(table, [(str(n), "NULL" if m.dirty else "'x'") for n in m.numbers()])
    m.run(f"ALTER TABLE {table} RENAME TO old_one")
    m.run(f"CREATE TABLE {table} (id int, {column} text)")
    if m.chance():
        m.run(f"INSERT INTO {table} SELECT * FROM old_one")
    m.run(f"ALTER TABLE {table} ALTER {column} SET NOT NULL")


@case
def partition_taken_away(m: Maker) -> None:
    table, key = m.name(), m.name()
    m.setup.append(f"CREATE TABLE {table} (id int, {key} int) PARTITION BY LIST (id)")
    m.setup.append(f"CREATE TABLE one PARTITION OF {table} FOR VALUES IN (1)")
    m.setup.append(f"CREATE TABLE two PARTITION OF {table} FOR VALUES IN (2)")
    m.fill(table, [("1", "5"), ("2", "NULL" if m.dirty else "6")])
    m.run(f"ALTER TABLE {table} DETACH PARTITION {m.rng.choice(('one', 'two'))}")
    m.run(f"ALTER TABLE {table} ALTER {key} SET NOT NULL")


@case
def foreign_key_set_by_a_cascade(m: Maker) -> None:
    parent, column = m.table("id int PRIMARY KEY", kinds="r"), m.name()
    m.fill(parent, [("1",), ("2",)])
    child = m.table(f"id int, {column} int", kinds="r")
    m.setup.append(
        f"ALTER TABLE {child} ADD FOREIGN KEY ({column}) REFERENCES {parent} (id)"
        f" ON DELETE {m.rng.choice(('SET NULL', 'CASCADE'))}"
    )
    m.fill(child, [("1", "1"), ("2", "2")])
    m.run(f"DELETE FROM {parent} WHERE id = {'1' if m.dirty else '9'}")
    m.run(f"ALTER TABLE {child} ALTER {column} SET NOT NULL")


@case
def primary_key_above_an_heir(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} int", kinds="i")
    if m.chance(0.7):
        m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    m.setup.append(
        f"INSERT INTO heir VALUES (9, {m.rng.choice(('NULL', '1')) if m.dirty else '90'})"
    )
    m.run(f"ALTER TABLE {table} ADD PRIMARY KEY ({column})")


@case
def proof_that_heirs_lack(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} int", kinds="i")
    rule = m.rng.choice((f"{column} IS NOT NULL", f"{column} > 0"))
    m.setup.append(f"ALTER TABLE {table} ADD CHECK ({rule}) NO INHERIT")
    m.setup.append(
        f"INSERT INTO heir VALUES (9, {m.rng.choice(('NULL', '-1')) if m.dirty else '9'})"
    )
    m.run(
        f"ALTER TABLE {table} ALTER {column} SET NOT NULL"
        if "NULL" in rule
        else f"ALTER TABLE {table} ADD CHECK ({rule})"
    )


@case
def written_under_another_name(m: Maker) -> None:
    column, new = m.name(), m.name()
    table = m.table(f"id int, {column} int", kinds="rp")
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    m.run(f"UPDATE {table} SET {column} = {'NULL' if m.dirty else '5'} WHERE id = 1")
    m.run(f"ALTER TABLE {table} RENAME COLUMN {column} TO {new}")
    if m.chance():
        m.run(f"ALTER TABLE {table} RENAME COLUMN id TO {column}")
    m.run(f"ALTER TABLE {table} ALTER {new} SET NOT NULL")


@case
def constraint_under_another_name(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} int", kinds="r")
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    if m.chance():
        m.run(f"UPDATE {table} SET {column} = {'-1' if m.dirty else '5'} WHERE id = 1")
    m.run(f"ALTER TABLE {table} ADD CONSTRAINT c CHECK ({column} > 0) NOT VALID")
    if m.chance():
        m.run(f"ALTER TABLE {table} RENAME CONSTRAINT c TO d")
    m.run(f"ALTER TABLE {table} VALIDATE CONSTRAINT {'d' if 'TO d' in m.migration[-1] else 'c'}")


@case
def new_column_whose_name_is_taken_over(m: Maker) -> None:
    column, other = m.name(), m.name()
    table = m.table(f"id int, {column} text", kinds="r")
    m.fill(table, [(str(n), "NULL" if m.dirty else "'x'") for n in m.numbers()])
    m.run(f"ALTER TABLE {table} ADD COLUMN {other} uuid DEFAULT gen_random_uuid()")
    m.run(f"ALTER TABLE {table} RENAME COLUMN {other} TO freed")
    m.run(f"ALTER TABLE {table} RENAME COLUMN {column} TO {other}")
    m.run(f"ALTER TABLE {table} ALTER {other} SET NOT NULL")


@case
def seeds_that_are_equal(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int PRIMARY KEY, {column} text", kinds="r")
    second = "7" if m.dirty else "8"
    m.run(f"INSERT INTO {table} VALUES (7, 'a'), ({second}, 'b')")


# ---------------------------------------------------------------- what other statements reach


@case
def write_through_a_view(m: Maker) -> None:
    column, view = m.name(), m.name()
    table = m.table(f"id int, {column} int", kinds="r")
    m.setup.append(f"CREATE VIEW {view} AS SELECT * FROM {table}")
    m.fill(table, [(str(n), str(n)) for n in m.numbers()])
    m.run(f"UPDATE {view} SET {column} = {'NULL' if m.dirty else '1'}")
    m.run(f"ALTER TABLE {table} ALTER {column} SET NOT NULL")


@case
def rows_behind_disabled_triggers(m: Maker) -> None:
    parent = m.table("id int PRIMARY KEY", kinds="r")
    child = m.table("id int", kinds="r")
    m.fill(parent, [("1",)])
    made = f"CONSTRAINT fk FOREIGN KEY (id) REFERENCES {parent}"
    m.setup.append(f"ALTER TABLE {child} ADD {made} NOT VALID")
    m.run(f"ALTER TABLE {child} DISABLE TRIGGER ALL")
    m.run(f"INSERT INTO {child} VALUES ({9 if m.dirty else 1})")
    m.run(f"ALTER TABLE {child} VALIDATE CONSTRAINT fk")


@case
def float_to_bigint(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} float8", kinds="r")
    m.fill(table, [("1", "9223372036854775808" if m.dirty else "-9223372036854775808")])
    m.run(f"ALTER TABLE {table} ALTER {column} TYPE bigint")


@case
def unique_composites(m: Maker) -> None:
    column = m.name()
    m.setup.append("CREATE TYPE pair AS (a int, b int)")
    table = m.table(f"id int, {column} pair", kinds="r")
    m.fill(table, [("1", "ROW(1, NULL)"), ("2", f"ROW({1 if m.dirty else 2}, NULL)")])
    m.run(f"ALTER TABLE {table} ADD UNIQUE ({column})")


@case
def unique_of_long_texts(m: Maker) -> None:
    column = m.name()
    table = m.table(f"id int, {column} text", kinds="r")
    length = 300 if m.dirty else 3
    long = f"(SELECT string_agg(md5(n::text), '') FROM generate_series(1, {length}) AS n)"
    m.fill(table, [("1", long)])
    m.run(f"ALTER TABLE {table} ADD UNIQUE ({column})")
