"""Access privileges in words. Reads nothing: the texts come from the catalogs."""

import re
from collections.abc import Iterable

#: The letters of an aclitem (the manual, "Privileges", table of abbreviations).
_WORDS = {
    "r": "SELECT",
    "a": "INSERT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "m": "MAINTAIN",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
    "c": "CONNECT",
    "T": "TEMPORARY",
    "s": "SET",
    "A": "ALTER SYSTEM",
}

_ITEM = re.compile(r'("(?:[^"]|"")*"|[^=]*)=([a-zA-Z*]*)/')


def beyond(granted: Iterable[str], default: Iterable[str]) -> dict[str, str]:
    """Return by grantee what differs from the privileges that an object is born with."""
    found, usual = _parse(granted), _parse(default)
    return {
        grantee: _said(found.get(grantee, set()))
        for grantee in sorted(found | usual)
        if found.get(grantee) != usual.get(grantee)
    }


def _parse(items: Iterable[str]) -> dict[str, set[str]]:
    privileges: dict[str, set[str]] = {}
    for item in items:
        if match := _ITEM.match(item):
            name = match[1].strip('"').replace('""', '"') or "public"
            privileges.setdefault(name, set()).update(re.findall(r"\w\*?", match[2]))
    return privileges


def _said(letters: set[str]) -> str:
    words = (
        _WORDS.get(letter[0], letter) + " WITH GRANT OPTION" * letter.endswith("*")
        for letter in letters
    )
    return ", ".join(sorted(words)) or "nothing"
