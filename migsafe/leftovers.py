"""What a schema still carries of work that did not end. Pure: facts come in, findings go out.

INVALID indexes, constraints that were never validated, triggers that are switched off, and what a
REINDEX CONCURRENTLY left. `migsafe.catalog.schema` reads the facts.
"""

import re

from pglast import keywords

from migsafe.facts import Facts, Key
from migsafe.findings import Finding, Severity, Source, Status

#: The names that REINDEX CONCURRENTLY gives, with a number where the name is taken
#: (PostgreSQL 18, REINDEX, "Rebuilding Indexes Concurrently").
_TRANSIENT = re.compile(r"(?P<index>.+)_cc(?P<which>new|old)\d*")

_KEYWORDS = keywords.RESERVED_KEYWORDS | keywords.TYPE_FUNC_NAME_KEYWORDS

_NOT_VALID = ("constraint", "validated", "no")
_NOT_NULL_NOT_VALID = ("column", "nullable", "no (not valid)")
_OFF = {"no": "is disabled", "replica": "fires in replication only"}


def check(live: Facts, expected: Facts | None) -> list[Finding]:
    """Report what is left over in `live`, by kind and object; `expected` is what the history makes.

    Without `expected` nothing is known of what the history wants.
    """
    wanted = expected or {}
    found = [*_indexes(live, wanted), *_constraints(live, wanted), *_triggers(live, wanted)]
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]


# ---------------------------------------------------------------- indexes


def _indexes(live: Facts, expected: Facts) -> list[tuple[Key, Finding]]:
    indexes = {key._replace(aspect="valid") for key in live if key.kind == "index"}
    transient = {key for key in indexes if _TRANSIENT.fullmatch(key.part)}
    left = {key for key in transient if not _made(key, expected)}
    invalid = {key for key in indexes - left if live.get(key) == "no"}
    return [(key, _transient(key)) for key in left] + [(k, _invalid(k, expected)) for k in invalid]


def _made(key: Key, expected: Facts) -> bool:
    """Tell whether the history makes the index: by itself, or for a constraint."""
    kinds = ("index", "constraint")
    return any(key._replace(kind=kind, aspect="definition") in expected for kind in kinds)


def _invalid(key: Key, expected: Facts) -> Finding:
    wanted = _made(key, expected)
    again = "then build it again as its migration does" if wanted else "then build it if it is used"
    return _finding(
        "MV107",
        "index-invalid",
        Severity.ERROR if wanted and expected.get(key) != "no" else Severity.WARNING,
        f"index {key.part} of {key.object} is INVALID: it costs every write and serves no query",
        remedy=f"{_drop(key)}; {again}.",
    )


def _transient(key: Key) -> Finding:
    match = _TRANSIENT.fullmatch(key.part)
    which, index = (match["which"], match["index"]) if match else ("", "")
    what = "an unfinished copy" if which == "new" else "the one it replaced"
    return _finding(
        "MV110",
        "reindex-leftover",
        Severity.WARNING,
        f"index {key.part} of {key.object} was left by REINDEX CONCURRENTLY of {index}: {what}",
        remedy=f"{_drop(key)}; check that {index} itself is there and valid.",
    )


def _drop(key: Key) -> str:
    return f"DROP INDEX CONCURRENTLY {_schema(key.object)}.{_quoted(key.part)}"


# ---------------------------------------------------------------- constraints and triggers


def _constraints(live: Facts, expected: Facts) -> list[tuple[Key, Finding]]:
    unchecked = (_NOT_VALID, _NOT_NULL_NOT_VALID)
    return [
        (key, _not_valid(key, same=expected.get(key) == value))
        for key, value in live.items()
        if (key.kind, key.aspect, value) in unchecked
    ]


def _not_valid(key: Key, *, same: bool) -> Finding:
    part = _quoted(key.part)
    what, cure = f"constraint {key.part}", f"VALIDATE CONSTRAINT {part}"
    if key.kind == "column":  # SET NOT NULL validates the constraint that is there (PostgreSQL 18)
        what, cure = f"NOT NULL of column {key.part}", f"ALTER COLUMN {part} SET NOT NULL"
    return _finding(
        "MV108",
        "constraint-not-valid",
        Severity.INFO if same else Severity.WARNING,
        f"{what} of {key.object} is NOT VALID: older rows were never checked"
        + (", as its migration leaves it" if same else ""),
        remedy=f"ALTER TABLE {key.object} {cure}",
    )


def _triggers(live: Facts, expected: Facts) -> list[tuple[Key, Finding]]:
    return [
        (key, _off(key, value, same=expected.get(key) == value))
        for key, value in live.items()
        if key.kind == "trigger" and key.aspect == "enabled" and value in _OFF
    ]


def _off(key: Key, value: str, *, same: bool) -> Finding:
    return _finding(
        "MV109",
        "trigger-disabled",
        Severity.INFO if same else Severity.ERROR,
        f"trigger {key.part} of {key.object} {_OFF[value]}"
        + (", as its migration leaves it" if same else ""),
        remedy=f"ALTER TABLE {key.object} ENABLE TRIGGER {_quoted(key.part)}, and look at the rows "
        "that were written without it.",
    )


# ---------------------------------------------------------------- text


def _schema(qualified: str) -> str:
    """Return the schema of a quoted name, as it is quoted."""
    match = re.match(r'("(?:[^"]|"")*"|[^."]+)\.', qualified)
    return match[1] if match else "public"


def _quoted(name: str) -> str:
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*", name) and name not in _KEYWORDS
    return name if plain else '"{}"'.format(name.replace('"', '""'))


def _finding(code: str, name: str, severity: Severity, message: str, *, remedy: str) -> Finding:
    return Finding(
        code=code,
        name=name,
        source=Source.VERIFY,
        severity=severity,
        status=Status.FAILED,
        message=message,
        remedy=remedy,
        evidence="catalog",
    )
