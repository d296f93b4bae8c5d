"""Plain SQL directories: found by looking, read in the right order, and only upwards."""

import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migsafe import histories
from migsafe.config import HistoryConfig
from migsafe.errors import ExitCode, UsageError
from migsafe.histories import Directory, Migration
from migsafe.histories.migration import sha256
from migsafe.histories.sql import LAYOUTS, flyway_checksum, flyway_version
from migsafe.histories.tables import flyway_lock, golang_migrate_lock

DBMATE = "-- migrate:up\nCREATE TABLE t ();\n-- migrate:down\nDROP TABLE t;\n"
GOOSE = "-- +goose Up\nCREATE TABLE t ();\n-- +goose Down\nDROP TABLE t;\n"
SQL_MIGRATE = "-- +migrate Up\nCREATE TABLE t ();\n-- +migrate Down\nDROP TABLE t;\n"
PLAIN = "CREATE TABLE t ();\n"


def journal(*tags: str) -> str:
    entries = [{"idx": place, "version": "7", "tag": tag} for place, tag in enumerate(tags)]
    return json.dumps({"version": "7", "dialect": "postgresql", "entries": entries[::-1]})


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def load(root: Path, files: Mapping[str, str | bytes], layout: str | None = None) -> Directory:
    return histories.load(write(root, files), HistoryConfig(layout=layout))


def names(directory: Directory) -> list[str]:
    return [migration.name for migration in directory.migrations]


def only(directory: Directory) -> Migration:
    (migration,) = directory.migrations
    return migration


def ignored(directory: Directory) -> list[str]:
    return [Path(f.file or "").name for f in directory.findings if f.code == "MH110"]


def refusal(root: Path, files: Mapping[str, str | bytes], layout: str | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        load(root, files, layout)
    assert caught.value.exit_code is ExitCode.USAGE
    return str(caught.value)


# ---------------------------------------------------------------- looking

#: A directory of each layout, with the names of its migrations in run order.
DIRECTORIES: dict[str, tuple[dict[str, str], list[str]]] = {
    "flyway": (
        {
            "R__views.sql": PLAIN,
            "V10__ten.sql": PLAIN,
            "V2__two.sql": PLAIN,
            "deep/er/V3_1__three_one.sql": PLAIN,
            "V3__three.sql": PLAIN,
            "R__a view.sql": PLAIN,
            "U2__two.sql": "DROP TABLE t;",
        },
        ["V2__two", "V3__three", "V3_1__three_one", "V10__ten", "R__a view", "R__views"],
    ),
    "up-files": (
        {
            "10_ten.up.sql": PLAIN,
            "10_ten.down.sql": "DROP TABLE t;",
            "000002_two.up.sql": PLAIN,
            "20240101120000_three.up.sql": PLAIN,
            "1.up.sql": PLAIN,
        },
        ["1", "000002_two", "10_ten", "20240101120000_three"],
    ),
    "sqlx": (
        {"10_ten.up.sql": PLAIN, "10_ten.down.sql": PLAIN, "2_two.sql": PLAIN, "30_c.sql": PLAIN},
        ["2_two", "10_ten", "30_c"],
    ),
    "dbmate": (
        {"20240102_b.sql": DBMATE, "20240101_a.sql": DBMATE, "100_text order.sql": DBMATE},
        ["100_text order", "20240101_a", "20240102_b"],
    ),
    "goose": (
        {"10_ten.sql": GOOSE, "00002_two.sql": GOOSE, "20240101120000_c.sql": GOOSE},
        ["00002_two", "10_ten", "20240101120000_c"],
    ),
    "sql-migrate": (
        {"10-ten.sql": SQL_MIGRATE, "2-two.sql": SQL_MIGRATE, "2-also two.sql": SQL_MIGRATE},
        ["2-also two", "2-two", "10-ten"],
    ),
    "diesel": (
        {
            "2024-01-02-000000_b/up.sql": PLAIN,
            "2024-01-02-000000_b/down.sql": "DROP TABLE t;",
            "00000000000000_setup/up.sql": PLAIN,
            "2024-01-01-000000_c/up.sql": PLAIN,
        },
        ["00000000000000_setup", "2024-01-01-000000_c", "2024-01-02-000000_b"],
    ),
    "drizzle": (
        {
            "0000_z.sql": PLAIN,
            "0001_a.sql": PLAIN,
            "0002_köln.sql": PLAIN,
            "meta/_journal.json": journal("0000_z", "0002_köln", "0001_a"),
            "meta/0000_snapshot.json": "{}",
        },
        ["0000_z", "0002_köln", "0001_a"],
    ),
    "numbered": (
        {"10-ten.sql": PLAIN, "2_two.sql": PLAIN, "003.sql": PLAIN, "1.first table.sql": PLAIN},
        ["1.first table", "2_two", "003", "10-ten"],
    ),
}


def test_every_layout_has_a_directory_here() -> None:
    assert set(DIRECTORIES) == set(LAYOUTS)


@pytest.mark.parametrize("layout", [name for name in DIRECTORIES if name != "sqlx"])
def test_a_layout_is_found_by_looking(tmp_path: Path, layout: str) -> None:
    files, ordered = DIRECTORIES[layout]
    directory = load(tmp_path, files)
    assert (directory.kind, directory.layout) == ("sql", layout)
    assert names(directory) == ordered


@pytest.mark.parametrize("layout", DIRECTORIES)
def test_a_layout_that_is_named_is_read_as_it_is(tmp_path: Path, layout: str) -> None:
    files, ordered = DIRECTORIES[layout]
    assert names(load(tmp_path, files, layout)) == ordered


@pytest.mark.parametrize("layout", DIRECTORIES)
def test_a_layout_is_found_from_the_root_of_a_repository(tmp_path: Path, layout: str) -> None:
    files, _ = DIRECTORIES[layout]
    write(tmp_path / "services" / "db" / "migrations", files)
    write(tmp_path / "node_modules" / "x", {"1_a.sql": PLAIN})
    write(tmp_path / ".hidden", {"1_a.sql": PLAIN})
    found = {reading for _, readings in histories.find(tmp_path) for reading in readings}
    assert layout in found


@pytest.mark.parametrize(
    ("files", "both"),
    [
        ({"V1__a.sql": PLAIN, "2_b.sql": PLAIN}, ("flyway", "numbered")),
        ({"1_a.sql": DBMATE, "2_b.sql": GOOSE}, ("dbmate", "goose")),
        ({"1_a.up.sql": PLAIN, "2_b.sql": PLAIN}, ("up-files", "sqlx")),
        ({"1_a.sql": GOOSE, "2_b.sql": PLAIN}, ("goose", "numbered")),
        ({"1_a/migration.sql": PLAIN, "1_a/up.sql": PLAIN}, ("prisma", "diesel")),
        ({"env.py": "", "versions/x.py": "", "1_a.sql": PLAIN}, ("alembic", "numbered")),
    ],
)
def test_two_readings_are_refused_by_both_names(
    tmp_path: Path, files: dict[str, str], both: tuple[str, str]
) -> None:
    message = refusal(tmp_path, files)
    assert f"can be read as {both[0]} and as {both[1]}; say which: " in message


def test_a_kind_that_is_forced_leaves_its_own_readings(tmp_path: Path) -> None:
    write(tmp_path, {"1_a/migration.sql": PLAIN, "2_b.sql": PLAIN})
    assert histories.readings(tmp_path) == ["prisma", "numbered"]
    assert names(histories.load(tmp_path, HistoryConfig(kind="sql"))) == ["2_b"]
    assert names(histories.load(tmp_path, HistoryConfig(kind="prisma"))) == ["1_a"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "no migration is found in it; name the directory with the migrations in it"),
        ({"readme.sql": PLAIN, "a.txt": ""}, "no migration is found in it; name the directory"),
        ({"db/migrations/1_a.sql": PLAIN}, "no migration is found in it; did you mean "),
    ],
)
def test_a_directory_without_a_migration_is_refused(
    tmp_path: Path, files: dict[str, str], problem: str
) -> None:
    assert refusal(tmp_path, files).startswith(f"{tmp_path}: {problem}")


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such directory of migrations"):
        histories.load(tmp_path / "nowhere", HistoryConfig())


def test_an_unknown_layout_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"1_a.sql": PLAIN}, "liquibase")
    assert message.startswith("history.layout: liquibase is unknown; one of flyway, ")


def test_an_alembic_directory_needs_its_config_file(tmp_path: Path) -> None:
    write(tmp_path, {"env.py": "", "versions/x.py": ""})
    with pytest.raises(UsageError, match=r"no alembic\.ini is found above it"):
        histories.load(tmp_path, HistoryConfig())


# ---------------------------------------------------------------- order and names


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1", (1,)),
        ("001", (1,)),
        ("1.0", (1,)),
        ("1.0.0", (1,)),
        ("1_1", (1, 1)),
        ("1.1.0", (1, 1)),
        ("1.0.1", (1, 0, 1)),
        ("10", (10,)),
        ("0", ()),
        ("20240101120000", (20240101120000,)),
        ("2_1_", (2, 1)),
    ],
)
def test_flyway_versions_compare_by_number_without_trailing_zeros(
    text: str, version: tuple[int, ...]
) -> None:
    assert flyway_version(text) == version


@pytest.mark.parametrize(
    ("files", "ordered"),
    [
        (
            ["V1_10__a.sql", "V1_9__b.sql", "V1.9.1__c.sql", "V2__d.sql", "V0__e.sql"],
            ["V0__e", "V1_9__b", "V1.9.1__c", "V1_10__a", "V2__d"],
        ),
        (["V2__x.sql", "V1__2__3.sql", "V1_1__y.sql"], ["V1__2__3", "V1_1__y", "V2__x"]),
        (["V1___underscored.sql", "V1.0.1__b.sql"], ["V1___underscored", "V1.0.1__b"]),
        (["R__b.sql", "R__A.sql", "R__a.sql", "V9__z.sql"], ["V9__z", "R__A", "R__a", "R__b"]),
        (["R__view2.sql", "R__view_b.sql"], ["R__view_b", "R__view2"]),
        (["V1__a.sql", ".hid/V3__c.sql", "..2024/V1__a.sql"], ["V1__a"]),
        (["V1__a.sql", "V__b.sql", "R1__x.sql"], ["V1__a"]),
    ],
)
def test_flyway_migrations_run_by_version_and_repeatable_ones_last(
    tmp_path: Path, files: list[str], ordered: list[str]
) -> None:
    assert names(load(tmp_path, dict.fromkeys(files, PLAIN))) == ordered


@pytest.mark.parametrize(
    ("layout", "file", "version"),
    [
        ("flyway", "V001_20_0__a.sql", "1.20"),
        ("flyway", "R__a.sql", ""),
        ("up-files", "000012_a.up.sql", "12"),
        ("dbmate", "0012_a.sql", "0012"),
        ("goose", "0012_a.sql", "12"),
        ("diesel", "2024-01-02-030405_a/up.sql", "20240102030405"),
    ],
)
def test_the_version_is_the_key_of_the_tools_own_table(
    tmp_path: Path, layout: str, file: str, version: str
) -> None:
    text = {"dbmate": DBMATE, "goose": GOOSE}.get(layout, PLAIN)
    assert only(load(tmp_path, {file: text})).version == version


@pytest.mark.parametrize(
    ("files", "key"),
    [
        ({"V1__a.sql": PLAIN, "V1.0__b.sql": PLAIN}, "1"),
        ({"V1__a.sql": PLAIN, "deep/V1__a.sql": PLAIN}, "V1__a"),
        ({"V1__a.sql": PLAIN, "R__x.sql": PLAIN, "deep/R__x.sql": PLAIN}, "R__x"),
        ({"20240101_a.sql": DBMATE, "20240101_b.sql": DBMATE}, "20240101"),
        ({"1_a.sql": GOOSE, "001_b.sql": GOOSE}, "1"),
        ({"2024-01-01-000000_a/up.sql": PLAIN, "20240101000000_b/up.sql": PLAIN}, "20240101000000"),
        ({"0_a.sql": PLAIN, "meta/_journal.json": journal("0_a", "0_a")}, "0_a"),
    ],
)
def test_two_migrations_of_one_version_are_refused(
    tmp_path: Path, files: dict[str, str], key: str
) -> None:
    message = refusal(tmp_path, files)
    assert message.startswith(f"{tmp_path}: ")
    assert message.endswith(f" are both {key}; rename one of them")


def test_where_tools_differ_two_of_one_number_are_ordered_by_name(tmp_path: Path) -> None:
    files = ["1_b.up.sql", "01_c.up.sql", "1_a.up.sql"]
    assert names(load(tmp_path, dict.fromkeys(files, PLAIN))) == ["01_c", "1_a", "1_b"]


def test_numbers_of_different_length_are_a_warning_where_names_order_differently(
    tmp_path: Path,
) -> None:
    directory = load(tmp_path, {"1_a.sql": PLAIN, "10_b.sql": PLAIN, "2_c.sql": PLAIN})
    (found,) = directory.findings
    assert (found.code, found.severity, found.migration) == ("MH108", "warning", "1_a")


def test_an_up_file_without_a_number_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, {"init.up.sql": PLAIN, "1_a.up.sql": PLAIN})
    assert message.startswith(f"{tmp_path / 'init.up.sql'}: its name begins with no number")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"entries": [{"idx": 0}]}',
        "\xff",
        '{"entries": [{"idx": 0, "tag": 5}]}',
        '{"entries": [{"idx": 0, "tag": "a\\u0000"}]}',
        '{"entries": [{"idx": 0, "tag": "a\\ud800"}]}',
        pytest.param("[" * 100_000, id="nested"),
    ],
)
def test_a_journal_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    content = text.encode("latin-1")
    message = refusal(tmp_path, {"0_a.sql": PLAIN, "meta/_journal.json": content})
    assert message.endswith("_journal.json: is not a Drizzle journal; restore the file")


# ---------------------------------------------------------------- up and down

UP, DOWN = ("CREATE TABLE up ();", "DROP TABLE down;")
MARKS = {"dbmate": "-- migrate:{}", "goose": "-- +goose {}", "sql-migrate": "-- +migrate {}"}


@pytest.mark.parametrize("layout", MARKS)
@given(
    parts=st.lists(st.tuples(st.sampled_from(["up", "down"]), st.integers(1, 4)), max_size=5),
    head=st.integers(0, 3),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_only_up_parts_are_kept_and_every_line_stays_where_it_is(
    tmp_path_factory: pytest.TempPathFactory,
    layout: str,
    parts: list[tuple[str, int]],
    head: int,
    end: str,
) -> None:
    lines = [f"-- written by hand {DOWN}"] * head
    for way, length in [("up", 1), *parts]:
        lines.append(MARKS[layout].format(way.capitalize() if layout != "dbmate" else way))
        lines += [UP if way == "up" else DOWN] * length
    whole = end.join(lines)
    migration = only(load(tmp_path_factory.mktemp("m"), {"1_a.sql": whole}))
    assert DOWN not in migration.text
    kept = migration.text.split("\n")
    assert [n for n, line in enumerate(kept) if line.strip() == UP] == [
        n for n, line in enumerate(lines) if line == UP
    ]
    assert migration.checksum == sha256(whole)


@pytest.mark.parametrize("layout", MARKS)
def test_a_file_with_only_a_down_part_runs_nothing(tmp_path: Path, layout: str) -> None:
    migration = only(load(tmp_path, {"1_a.sql": f"{MARKS[layout].format('down')}\n{DOWN}\n"}))
    assert migration.text.strip() == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-- + goose Up\nSELECT 1;\n-- +goose Down\n", "has no mark of an Up part"),
        ("-- +gooseUp\nSELECT 1;\n-- +goose Down\n", "has no mark of an Up part"),
        ("-- +goose Down\nSELECT 1;\n", "has no mark of an Up part"),
        ("-- migrate:down\nSELECT 1;\n", "has no mark of an Up part"),
        ("\n-- a\nSELECT 1;\n-- +goose Up\nSELECT 2;\n", "line 3 is above the first mark"),
        ("SELECT 1;\n-- migrate:up\nSELECT 2;\n", "line 1 is above the first mark"),
        ("-- migrate:up\n-- migrate:down\n-- migrate:up\n", "line 3 begins an Up part after"),
        ("-- +goose Down\n-- +goose Up\nSELECT 1;\n", "line 2 begins an Up part after"),
    ],
)
def test_a_part_that_would_silently_not_run_is_a_problem(
    tmp_path: Path, text: str, problem: str
) -> None:
    assert (only(load(tmp_path, {"1_a.sql": text})).problem or "").startswith(problem)


@pytest.mark.parametrize(
    "text",
    [
        f"-- a licence\n\n  -- of two lines\n{GOOSE}",
        f"/* a licence;\n   of two lines */\n{DBMATE}",
        f"-- +goose NO TRANSACTION\n{GOOSE}",
        "-- migrate:up transaction:false\nSELECT 1;\n",
        "-- migrate:up\nSELECT 1;\n-- migrate:up\nSELECT 2;\n-- migrate:down\n",
        "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n",
        "-- +migrate Up notransaction\nSELECT 1;\n",
        "-- +migrate Down\nSELECT 1;\n-- +migrate Up\nSELECT 2;\n",
    ],
)
def test_marks_that_their_tool_takes_are_no_problem(tmp_path: Path, text: str) -> None:
    assert only(load(tmp_path, {"1_a.sql": text})).problem is None


def test_marks_inside_a_plain_file_of_another_tool_stay_text(tmp_path: Path) -> None:
    text = "-- migrate: up to here\nSELECT 1;\n"
    assert only(load(tmp_path, {"1_a.sql": text})).text == text


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("1_a.sql", "-- migrate:up transaction:false\nVACUUM;\n-- migrate:down\n"),
        ("1_a.sql", "-- migrate:up transaction: false\nVACUUM;\n"),
        ("1_a.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;\n"),
        ("1_a.sql", "-- +goose Up\n-- +goose no transaction\nVACUUM;\n"),
        ("1_a.sql", "-- +migrate Up notransaction\nVACUUM;\n"),
        ("1_a.sql", "-- no-transaction\nVACUUM;\n"),
        ("1_a.up.sql", "-- no-transaction\nVACUUM;\n"),
    ],
)
def test_a_mark_that_asks_for_no_transaction_is_honoured(
    tmp_path: Path, file: str, text: str
) -> None:
    assert only(load(tmp_path, {file: text})).transaction is False


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("1_a.sql", DBMATE),
        ("1_a.sql", "-- migrate:up transaction:true\nSELECT 1;\n"),
        ("1_a.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down transaction:false\n"),
        ("1_a.sql", "-- +migrate Up\nSELECT 1;\n-- +migrate Down notransaction\n"),
        ("1_a.sql", GOOSE),
        ("1_a.sql", "SELECT 1;\n-- no-transaction\n"),
        ("1_a.up.sql", PLAIN),
    ],
)
def test_without_such_a_mark_a_file_wants_a_transaction(
    tmp_path: Path, file: str, text: str
) -> None:
    assert only(load(tmp_path, {file: text})).transaction is True


@pytest.mark.parametrize(
    ("conf", "transaction"),
    [("executeInTransaction=false\n", False), ("executeInTransaction = true", True), ("", True)],
)
def test_flyways_script_configuration_is_honoured(
    tmp_path: Path, conf: str, transaction: bool
) -> None:
    directory = load(tmp_path, {"V1__a.sql": PLAIN, "V1__a.sql.conf": conf})
    assert only(directory).transaction is transaction


@pytest.mark.parametrize(
    ("metadata", "transaction"),
    [("run_in_transaction = false", False), ("run_in_transaction = true", True), ("", True)],
)
def test_diesels_metadata_is_honoured(tmp_path: Path, metadata: str, transaction: bool) -> None:
    directory = load(tmp_path, {"1_a/up.sql": PLAIN, "1_a/metadata.toml": metadata})
    assert only(directory).transaction is transaction


@pytest.mark.parametrize(
    "metadata", ["run_in_transaction = ", b"# \xff", pytest.param("a = " + "[" * 2000, id="nested")]
)
def test_metadata_that_is_no_toml_is_refused(tmp_path: Path, metadata: str | bytes) -> None:
    message = refusal(tmp_path, {"1_a/up.sql": PLAIN, "1_a/metadata.toml": metadata})
    assert message.endswith("metadata.toml: is not valid TOML; correct it")


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("V1__a.sql", "SELECT '${schema}';", "holds the placeholder ${schema}"),
        ("V1__a.sql", "SELECT '${flyway:user}';", "holds the placeholder ${flyway:user}"),
        ("V1__a.sql", "SELECT '${my-env}';", "holds the placeholder ${my-env}"),
        ("V1__a.sql", "SELECT '${my env}';", "holds the placeholder ${my env}"),
        ("1_a.sql", "-- +goose ENVSUB ON\n-- +goose Up\nSELECT '$X';", "asks for +goose ENVSUB"),
    ],
)
def test_what_the_tool_would_have_filled_in_is_a_problem(
    tmp_path: Path, file: str, text: str, problem: str
) -> None:
    assert (only(load(tmp_path, {file: text})).problem or "").startswith(problem)


# ---------------------------------------------------------------- what cannot be read


def first_file(layout: str) -> str:
    files, (first, *_) = DIRECTORIES[layout]
    return next(n for n in (f"{first}.sql", f"{first}.up.sql", f"{first}/up.sql") if n in files)


@pytest.mark.parametrize("layout", DIRECTORIES)
@pytest.mark.parametrize(
    ("added", "problem"),
    [
        (b"\n-- \xff\n", "is not UTF-8; save the file as UTF-8"),
        (b"\n-- \x00\n", "holds a NUL byte, where libpq would cut the file; remove it"),
    ],
)
def test_a_broken_file_is_a_problem_with_its_line(
    tmp_path: Path, layout: str, added: bytes, problem: str
) -> None:
    files, ordered = DIRECTORIES[layout]
    name = first_file(layout)
    line = files[name].count("\n") + 2
    broken: dict[str, str | bytes] = {**files, name: files[name].encode() + added}
    migration = load(tmp_path, broken, layout).named(ordered[0])
    assert migration.problem == f"line {line} {problem}"


@pytest.mark.parametrize("layout", [name for name in DIRECTORIES if name != "flyway"])
def test_a_byte_order_mark_is_a_problem(tmp_path: Path, layout: str) -> None:
    files, ordered = DIRECTORIES[layout]
    marked = {**files, first_file(layout): "\ufeff" + files[first_file(layout)]}
    migration = load(tmp_path, marked, layout).named(ordered[0])
    assert (migration.problem or "").startswith("begins with a byte order mark")


def test_flyway_strips_a_byte_order_mark(tmp_path: Path) -> None:
    migration = only(load(tmp_path, {"V1__a.sql": "\ufeff" + PLAIN}))
    assert (migration.text, migration.problem) == (PLAIN, None)


@pytest.mark.parametrize("layout", DIRECTORIES)
def test_a_file_that_cannot_be_opened_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    files, ordered = DIRECTORIES[layout]
    locked = write(tmp_path, files) / first_file(layout)

    def guarded(read: Callable[..., str | bytes]) -> Callable[..., str | bytes]:
        def refuse(file: Path, *values: object) -> str | bytes:
            if file == locked:
                raise PermissionError(13, "Permission denied")
            return read(file, *values)

        return refuse

    monkeypatch.setattr(Path, "read_bytes", guarded(Path.read_bytes))
    monkeypatch.setattr(Path, "read_text", guarded(Path.read_text))
    migration = histories.load(tmp_path, HistoryConfig(layout=layout)).named(ordered[0])
    assert migration.problem == "cannot be read: Permission denied; check the file"


def test_a_link_to_nowhere_and_a_missing_file_are_problems(tmp_path: Path) -> None:
    (tmp_path / "flyway").mkdir()
    (tmp_path / "flyway" / "V1__a.sql").symlink_to(tmp_path / "nowhere")
    linked = only(load(tmp_path / "flyway", {}))
    listed = only(load(tmp_path / "drizzle", {"meta/_journal.json": journal("0000_gone")}))
    for migration in (linked, listed):
        assert migration.problem == "cannot be read: No such file or directory; check the file"


@pytest.mark.parametrize(
    ("files", "odd"),
    [
        ({"1_a.sql": PLAIN}, "2_b.sql"),
        ({"1_a.sql": GOOSE}, "2_b.sql"),
        ({"1_a.up.sql": PLAIN}, "2_b.up.sql"),
        ({"V1__a.sql": PLAIN}, "V2__b.sql"),
        ({"1_a/up.sql": PLAIN, "2_b/down.sql": DOWN}, "2_b/up.sql"),
    ],
)
@pytest.mark.parametrize("kind", ["link to nowhere", "pipe"])
def test_a_file_of_the_history_that_is_no_regular_file_is_a_problem(
    tmp_path: Path, files: dict[str, str], odd: str, kind: str
) -> None:
    path = write(tmp_path, files) / odd
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "nowhere")
    _, last = load(tmp_path, {}, None if len(files) == 1 else "diesel").migrations
    assert (last.problem or "").startswith("cannot be read: ")


def test_a_directory_whose_only_file_cannot_be_read_names_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1_a.sql")
    assert refusal(tmp_path, {}) == (
        f"{tmp_path / '1_a.sql'}: cannot be read: it is no regular file; check its rights"
    )


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        (
            f"V4__{'x' * 201}.sql",
            "has a title above 200 letters, which Flyway cannot record; shorten",
        ),
        (f"{2**63}_a.up.sql", "has a version above 9223372036854775807, which its tool cannot"),
        (f"V4__{'x' * 200}.sql", ""),
        (f"{2**63 - 1}_a.up.sql", ""),
    ],
)
def test_what_its_tool_cannot_record_is_a_problem(tmp_path: Path, file: str, problem: str) -> None:
    assert (only(load(tmp_path, {file: PLAIN})).problem or "").startswith(problem)
    assert problem or not only(load(tmp_path, {})).problem


def test_flyways_files_are_found_through_links_even_where_they_lead_back(tmp_path: Path) -> None:
    write(tmp_path / "shared", {"V2__b.sql": PLAIN})
    root = write(tmp_path / "db", {"V1__a.sql": PLAIN, "sub/V3__c.sql": PLAIN})
    (root / "linked").symlink_to(tmp_path / "shared")
    (root / "sub" / "above").symlink_to(root)
    assert names(load(root, {})) == ["V1__a", "V2__b", "V3__c"]


def test_a_directory_of_flyways_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"V1__a.sql": PLAIN, "shut/V2__b.sql": PLAIN})
    list_it = os.scandir

    def guarded(path: str | Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return list_it(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert refusal(tmp_path, {}).startswith(f"{tmp_path / 'shut'}: cannot be read: ")


@pytest.mark.parametrize("name", ["m\udcff/1_a.sql", "m/sub/V2__\udcff.sql", "m/s\udcff/V2__a.sql"])
def test_a_name_that_is_not_utf_8_is_refused_at_every_level(tmp_path: Path, name: str) -> None:
    root = tmp_path / name.partition("/")[0]
    try:
        write(tmp_path, {name: PLAIN, f"{root.name}/V1__a.sql": PLAIN})
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert "is not UTF-8; rename it" in refusal(root, {}, "flyway")


# ---------------------------------------------------------------- what is not run


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ({"1_a.sql": PLAIN, "seed.sql": PLAIN, "notes.txt": ""}, ["seed.sql"]),
        ({"1_a.up.sql": PLAIN, "1_a.down.sql": DOWN, "x.sql": PLAIN}, ["x.sql"]),
        (
            {"V1__a.sql": PLAIN, "V2_b.sql": PLAIN, "sub/v3__c.sql": PLAIN, "U1__a.sql": DOWN},
            ["V2_b.sql", "v3__c.sql"],
        ),
        ({"1_a.sql": PLAIN, "meta/_journal.json": journal("1_a"), "2_b.sql": PLAIN}, ["2_b.sql"]),
        ({"1_a.sql": GOOSE, "2b.sql": GOOSE}, ["2b.sql"]),
        ({"1_a/up.sql": PLAIN, "1_a/down.sql": DOWN}, []),
        ({"1_a/up.sql": PLAIN, "2_b/UP.sql": PLAIN}, ["UP.sql"]),
        ({"1_a.sql": PLAIN, "2_b.SQL": PLAIN}, ["2_b.SQL"]),
        ({"1_a.sql": PLAIN, "2_b.up.py": ""}, []),
        (
            {"1_a.up.sql": PLAIN, "2_b.up.SQL": PLAIN, "3_c.up.pgsql": PLAIN, "3_c.down.SQL": DOWN},
            ["2_b.up.SQL", "3_c.up.pgsql"],
        ),
        ({"V1__a.sql": PLAIN, "V2__b.SQL": PLAIN, "R1__x.sql": PLAIN}, ["R1__x.sql", "V2__b.SQL"]),
    ],
)
def test_a_file_that_is_not_run_is_a_finding_and_a_down_file_is_none(
    tmp_path: Path, files: dict[str, str], left: list[str]
) -> None:
    directory = load(tmp_path, files)
    assert ignored(directory) == left
    assert {f.severity for f in directory.findings} <= {"warning"}


def test_files_of_another_layout_are_findings_where_one_is_forced(tmp_path: Path) -> None:
    directory = load(tmp_path, {"1_a.sql": GOOSE, "2_b.sql": PLAIN}, "goose")
    assert (names(directory), ignored(directory)) == (["1_a"], ["2_b.sql"])


# ---------------------------------------------------------------- checksums and locks

#: The check value of CRC-32 for "123456789" is 0xCBF43926; as a Java int it is negative.
CHECK = 0xCBF43926 - (1 << 32)


@pytest.mark.parametrize(
    "raw",
    [
        b"123456789",
        b"1234\n56789",
        b"1234\r\n56789\r\n",
        b"1234\r56789\n",
        b"\n1\n2\n3456\n\n789\n\n",
        b"\xef\xbb\xbf1234\n56789\n",
    ],
)
def test_flyways_checksum_is_over_the_lines_without_their_ends(tmp_path: Path, raw: bytes) -> None:
    assert only(load(tmp_path, {"V1__a.sql": raw})).checksum == str(CHECK)


def test_flyways_checksum_is_over_utf_8_and_may_be_positive() -> None:
    assert flyway_checksum("SELECT 'é';\r\n") == zlib.crc32(b"SELECT '\xc3\xa9';")
    assert flyway_checksum("") == 0


@pytest.mark.parametrize("text", ["1234 56789", " 123456789", "123456789 ", "1234\f56789"])
def test_flyways_checksum_sees_every_other_change(text: str) -> None:
    assert flyway_checksum(text) != CHECK


def advisory_lock_id(database: str, *additional: str) -> int:
    """Return golang-migrate's GenerateAdvisoryLockId, as its source says it."""
    name = "\x00".join([*additional, database]) if additional else database
    return (zlib.crc32(name.encode()) * 1486364155) & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("database_name",), 1764327054),
        (("database_name", "schema_name_1"), 2453313553),
        (("database_name", "schema_name_2"), 235207038),
    ],
)
def test_the_rule_reproduces_the_vectors_of_golang_migrates_own_tests(
    names: tuple[str, ...], key: int
) -> None:
    assert advisory_lock_id(*names) == key


@pytest.mark.parametrize(
    ("schema", "table", "database"),
    [("public", "schema_migrations", "clinic"), ("Köl x", 'odd "table"', "база")],
)
def test_the_golang_migrate_lock_is_that_rule_over_schema_table_and_database(
    schema: str, table: str, database: str
) -> None:
    expected = advisory_lock_id(database, schema, table)
    assert golang_migrate_lock(schema, table, database) == expected


def java_hash(text: str) -> int:
    """Return Java's String.hashCode: the sum of units times powers of 31, as a signed int."""
    raw = text.encode("utf-16-be")
    units = [int.from_bytes(raw[i : i + 2]) for i in range(0, len(raw), 2)][::-1]
    total = sum(unit * int(31**place) for place, unit in enumerate(units))
    return (total + (1 << 31)) % (1 << 32) - (1 << 31)


@pytest.mark.parametrize(
    ("text", "code"),
    [("", 0), ("hello", 99162322), ("polygenelubricants", -(1 << 31)), ("€", 0x20AC)],
)
def test_the_rule_reproduces_known_java_hashes(text: str, code: int) -> None:
    assert java_hash(text) == code


@pytest.mark.parametrize(
    ("schema", "table", "quoted"),
    [
        ("public", "flyway_schema_history", '"public"."flyway_schema_history"'),
        ("Ü mit €", "😀", '"Ü mit €"."😀"'),
    ],
)
def test_the_flyway_lock_is_its_name_as_a_number_plus_the_hash_of_the_quoted_table(
    schema: str, table: str, quoted: str
) -> None:
    flyway = int.from_bytes(b"Flyway")
    assert flyway == 77431708279161
    assert flyway_lock(schema, table) == flyway + java_hash(quoted)
