"""Time derived audits of ten million rows against the best SQL by hand; exit 1 above the bars.

Seconds are this machine's; only the ratios within one run mean anything (bench/README.md).
"""

import statistics
import sys
import time
from collections.abc import Callable, Sequence

import psycopg

from migsafe import shadow, sql, target
from migsafe.audits import Audit, derived, run
from migsafe.catalog import live
from migsafe.findings import Finding
from migsafe.hazards import Unit

ROWS, ROUNDS = 10_000_000, 3

#: Ours against the SQL by hand, and eight questions one by one against the same eight together.
BAR, FUSED = 1.1, 3.0

FILL = f"""CREATE UNLOGGED TABLE notes (
    id bigint PRIMARY KEY, title text, body text, state text, author text,
    "appointmentId" int, amount numeric(12, 2), pages int, big bigint);
INSERT INTO notes SELECT n, 'note number ' || n,
    'The patient was seen, and nothing of note was found; see number ' || n || ' of the archive.',
    CASE n % 3 WHEN 0 THEN 'draft' ELSE 'signed' END, 'author ' || n % 1000,
    n / 2, n % 1000 + 0.5, n % 400, n FROM generate_series(1, {ROWS}) AS n;
CREATE UNLOGGED TABLE appointments (id int PRIMARY KEY);
INSERT INTO appointments SELECT generate_series(0, {ROWS // 2})"""

MIGRATION = """ALTER TABLE notes ALTER "appointmentId" SET NOT NULL;
ALTER TABLE notes ADD CHECK (state IN ('draft', 'signed'));
ALTER TABLE notes ADD CHECK (pages >= 0);
ALTER TABLE notes ADD CHECK (amount < 100000);
ALTER TABLE notes ALTER body SET NOT NULL;
ALTER TABLE notes ALTER title TYPE varchar(100);
ALTER TABLE notes ALTER big TYPE int;
ALTER TABLE notes ALTER author TYPE varchar(40);
"""

#: The same eight questions as a person who knows PostgreSQL would put them.
BY_HAND = """SELECT count(*) FILTER (WHERE "appointmentId" IS NULL),
    count(*) FILTER (WHERE state NOT IN ('draft', 'signed')),
    count(*) FILTER (WHERE pages < 0), count(*) FILTER (WHERE amount >= 100000),
    count(*) FILTER (WHERE body IS NULL),
    count(*) FILTER (WHERE octet_length(title) > 100 AND char_length(title) > 100),
    count(*) FILTER (WHERE big NOT BETWEEN -2147483648 AND 2147483647),
    count(*) FILTER (WHERE octet_length(author) > 40 AND char_length(author) > 40) FROM notes"""

REFERENCE = 'ALTER TABLE notes ADD FOREIGN KEY ("appointmentId") REFERENCES appointments;'

REFERENCE_BY_HAND = """SELECT count(*) FROM notes AS n WHERE n."appointmentId" IS NOT NULL
    AND NOT EXISTS (SELECT FROM appointments AS a WHERE a.id = n."appointmentId")"""


def questions(url: str, text: str) -> list[Audit]:
    """Derive the questions of a migration."""
    unit = Unit(name="m", file="m.sql", text=text, statements=sql.parse(text), transaction=True)
    with psycopg.connect(url, autocommit=True) as conn:
        return derived.derive([unit], live.read(conn))


def ask(url: str, audits: Sequence[Audit]) -> list[Finding]:
    found = run.run(target.parse(url), audits, ["m"])
    if any(f.verdict != "pass" for f in found):
        sys.exit(f"not a pass: {found}")
    return found


def by_hand(url: str, query: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("SET jit = off")
        row = conn.execute(query.encode()).fetchone()
        if row is None or any(row):
            sys.exit(f"not clean: {row}")


def medians(*calls: Callable[[], object]) -> list[float]:
    """Return the median seconds of each call; they take turns."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for number, call in enumerate(calls):
            start = time.perf_counter()
            call()
            seconds[number].append(time.perf_counter() - start)
    return [statistics.median(some) for some in seconds]


def main() -> int:
    with shadow.embedded() as url:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute(FILL)
            conn.execute("VACUUM ANALYZE")
        eight, key = questions(url, MIGRATION), questions(url, REFERENCE)
        ours, hand, alone = medians(
            lambda: (questions(url, MIGRATION), ask(url, eight)),
            lambda: by_hand(url, BY_HAND),
            lambda: [ask(url, [audit]) for audit in eight],
        )
        orphans, orphans_by_hand = medians(
            lambda: (questions(url, REFERENCE), ask(url, key)),
            lambda: by_hand(url, REFERENCE_BY_HAND),
        )
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("DROP TABLE notes, appointments")
    print(f"{ROWS:,} rows; medians of {ROUNDS}")
    print(f"eight questions: {ours:.2f} s, by hand {hand:.2f} s: {ours / hand:.2f} (bar {BAR})")
    print(f"one by one: {alone:.2f} s: {alone / ours:.2f} of together (bar {FUSED})")
    ratio = orphans / orphans_by_hand
    print(f"orphans: {orphans:.2f} s, by hand {orphans_by_hand:.2f} s: {ratio:.2f} (bar {BAR})")
    return int(ours / hand > BAR or ratio > BAR or alone / ours < FUSED)


if __name__ == "__main__":
    sys.exit(main())
