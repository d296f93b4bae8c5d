"""Rows of a history's own table that its tool never writes. Pure: reads nothing."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum

from migsafe import findings
from migsafe.findings import Finding, Severity


class Oddity(StrEnum):
    """What gives away a row that was written by hand."""

    ID = "its id is no UUID"
    CHECKSUM = "its checksum is none that the tool writes"
    TIMES = "it finished before it started"
    CLOSED = "it is finished and rolled back at once"
    STEPS = "it is finished, but without the step that a deploy counts or the mark of a resolve"
    TWICE = "another row calls it applied too"


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

#: A SHA-256; Prisma's first engines left out the zero of each byte below 16, some two in a sum.
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UNPADDED = re.compile(r"[0-9a-f]{50,64}")


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID, of any version and in any case."""
    return bool(_UUID.fullmatch(text))


def is_sha256(text: str, *, unpadded: bool = False) -> bool:
    """Tell whether a text is a SHA-256 in lower-case hex, or as Prisma 2 first wrote it."""
    return bool((_UNPADDED if unpadded else _SHA256).fullmatch(text))


def is_crc32(text: str) -> bool:
    """Tell whether a text is a CRC32 as Flyway writes it: a signed number of 32 bits."""
    return bool(re.fullmatch(r"-?\d{1,10}", text, re.ASCII))


#: A row: its migration, whether it calls it applied, and its oddities.
Row = tuple[str, bool, Iterable[Oddity]]


def check(
    rows: Sequence[Row], invented: Collection[str], *, table: str, strict: bool
) -> Iterator[Finding]:
    """Yield one finding a migration that has an odd row, in the order of the rows.

    `invented` are those whose checksum is that of no form of their file; `strict` is as in
    History.
    """
    odd: dict[str, list[Oddity]] = {}
    for name, _, oddities in rows:
        odd.setdefault(name, []).extend(oddities)
    for name, count in Counter(name for name, applied, _ in rows if applied).items():
        odd[name] += [Oddity.TWICE] if count > 1 else []
    for name, oddities in odd.items():
        if oddities:
            grave = name in invented and (strict or Oddity.ID in oddities)
            yield _finding(name, _reasons(oddities, name in invented), table, grave=grave)


def _reasons(oddities: Iterable[Oddity], untrue: bool) -> list[str]:
    reasons = [str(oddity) for oddity in dict.fromkeys(oddities)]
    if untrue and Oddity.CHECKSUM not in reasons:
        reasons.append("its checksum is that of no form of the file")
    return reasons


def _finding(name: str, reasons: Iterable[str], table: str, *, grave: bool) -> Finding:
    return findings.history(
        "MH113",
        "ledger-row-forged",
        Severity.ERROR if grave else Severity.WARNING,
        f"a row of {name} in {table} was not written by its tool: {', '.join(reasons)}",
        migration=name,
        remedy="Look whether the schema holds what the migration makes, then delete the row and "
        "let migsafe resolve --applied NAME write it, or leave it pending.",
    )
