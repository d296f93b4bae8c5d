"""Functions, triggers and the rest that a walked schema notes beside its tables."""

from migsafe import sql
from migsafe.schema import Key, Schema, Trigger, routines
from migsafe.schema.changes import advance

ROWS = Key("public", "rows")


def walked(text: str) -> Schema:
    schema = Schema()
    for statement in sql.parse(text):
        advance(schema, statement, "1_a")
    return schema


def test_a_function_is_known_by_its_name_and_the_types_that_it_takes() -> None:
    schema = walked(
        """CREATE FUNCTION f(a int, OUT b text) LANGUAGE plpgsql AS $$BEGIN b := g(a); END$$;
           CREATE FUNCTION app.f(a text[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
           CREATE FUNCTION h() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT "G"(1); END"""
    )
    assert set(schema.bodies) == {("f", ("int4",)), ("f", ("text[]",)), ("h", ())}
    assert list(routines.callers(schema, "g")) == ["f", "h"]
    assert list(routines.callers(schema, "f")) == []


def test_dropping_one_overload_leaves_the_others() -> None:
    text = """CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';
              CREATE FUNCTION f(a text) RETURNS int LANGUAGE sql STABLE AS 'SELECT 1';"""
    assert set(walked(f"{text} DROP FUNCTION f(int)").bodies) == {("f", ("text",))}
    assert not walked(f"{text} DROP FUNCTION f(int), f(text)").functions
    assert not walked(f"{text} DROP FUNCTION f").functions


def test_a_call_is_a_name_before_a_parenthesis() -> None:
    schema = Schema(bodies={("f", ()): "PERFORM app.due (1)"})
    assert list(routines.callers(schema, "due")) == ["f"]
    schema.bodies["f", ()] = "SELECT overdue(1), due FROM due_dates"
    assert list(routines.callers(schema, "due")) == []


def test_renaming_a_trigger_or_a_policy_leaves_its_table_where_it_was() -> None:
    schema = walked(
        """CREATE TABLE rows (a int);
           CREATE CONSTRAINT TRIGGER late AFTER INSERT ON rows DEFERRABLE INITIALLY DEFERRED
               FOR EACH ROW EXECUTE FUNCTION f();
           CREATE POLICY mine ON rows;
           ALTER TRIGGER late ON rows RENAME TO later;
           ALTER POLICY mine ON rows RENAME TO ours;
           ALTER RULE r ON rows RENAME TO s"""
    )
    assert schema.tables[ROWS].triggers == {"later": Trigger("f", deferred=True)}
    assert schema.tables[ROWS].policies == {"ours"}


def test_a_materialized_view_can_be_read_once_it_was_filled() -> None:
    text = "CREATE MATERIALIZED VIEW rows AS SELECT 1 AS a WITH NO DATA;"
    assert not walked(text).tables[ROWS].populated
    assert walked(f"{text} REFRESH MATERIALIZED VIEW rows").tables[ROWS].populated
