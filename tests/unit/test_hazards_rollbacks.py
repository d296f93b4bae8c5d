"""What is rolled back, or no longer set, proves nothing for what follows."""

import pytest

from migsafe import hazards, sql
from migsafe.hazards import Options, Unit
from migsafe.schema import Schema

TABLE = "CREATE TABLE t (a int, b int);\n"


def names(*texts: str, transaction: bool = False) -> set[str]:
    """Return the hazards of the last text, after the ones before it."""
    units = [
        Unit(
            name=str(number),
            file=f"{number}.sql",
            text=text,
            statements=sql.parse(text),
            transaction=transaction,
            report=number == len(texts),
        )
        for number, text in enumerate(texts, start=1)
    ]
    return {finding.name for finding in hazards.walk(units, Schema(), Options())}


PROOF = "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL);\n"
REQUIRED = "ALTER TABLE t ALTER a SET NOT NULL;\n"


@pytest.mark.parametrize(
    ("ending", "found"), [("COMMIT", False), ("ROLLBACK", True)], ids=["kept", "rolled back"]
)
def test_a_constraint_that_is_rolled_back_proves_nothing(ending: str, found: bool) -> None:
    text = f"BEGIN;\n{PROOF}{ending};\n{REQUIRED}"
    assert ("set-not-null" in names(TABLE, text)) is found


def test_a_table_that_is_rolled_back_to_a_savepoint_is_not_new() -> None:
    text = "SAVEPOINT s; DROP TABLE t; CREATE TABLE t (a int); {} CREATE INDEX i ON t (a);"
    assert "create-index-not-concurrent" not in names(TABLE, text.format(""), transaction=True)
    back = text.format("ROLLBACK TO s;")
    assert "create-index-not-concurrent" in names(TABLE, back, transaction=True)


def test_a_savepoint_may_be_gone_back_to_twice() -> None:
    again = f"{PROOF}ROLLBACK TO s;\n"
    found = names(TABLE, f"SAVEPOINT s;\n{again}{again}{REQUIRED}", transaction=True)
    assert "set-not-null" in found


NEW = "CREATE SCHEMA s2; CREATE TABLE s2.t (a int);\n"


@pytest.mark.parametrize(
    "path",
    [
        "BEGIN; SET LOCAL search_path = s2; COMMIT;",
        "BEGIN; SET LOCAL search_path = s2; ROLLBACK;",
        "SET search_path = s2; RESET ALL;",
        "SET search_path = s2; RESET search_path;",
        "SET search_path = s2; DISCARD ALL;",
    ],
)
def test_a_path_that_is_over_leads_to_no_new_table(path: str) -> None:
    assert "create-index-not-concurrent" in names(TABLE, f"{NEW}{path} CREATE INDEX i ON t (a);")


def test_a_local_path_lasts_for_its_transaction_and_not_into_the_next_file() -> None:
    local = f"{NEW}SET LOCAL search_path = s2; CREATE INDEX i ON t (a);"
    assert "create-index-not-concurrent" not in names(TABLE, local, transaction=True)
    unit = "CREATE INDEX i ON t (a);"
    found = hazards.walk(
        [
            Unit(name=n, file=n, text=t, statements=sql.parse(t), transaction=True)
            for n, t in (("1", TABLE), ("2", f"{NEW}SET LOCAL search_path = s2;"), ("3", unit))
        ],
        Schema(),
        Options(),
    )
    said = [f.message for f in found if f.name == "create-index-not-concurrent"]
    assert said == ["builds i under SHARE on t, so that nobody can write to it"]
