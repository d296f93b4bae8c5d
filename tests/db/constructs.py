"""Read `tests/cases/constructs.sql`: what each construct of SQL does to the clinic."""

import re
from dataclasses import dataclass

from tests.db.measuring import CLINIC, MODES, Effect

#: In the order of `MODES`.
SHORT = dict(zip(MODES, ("AS", "RS", "RX", "SUX", "S", "SRX", "X", "AX"), strict=True))


@dataclass(frozen=True, slots=True)
class Construct:
    """A statement, its answers with their lowest and highest version, and what is run before it."""

    name: str
    sql: str
    before: str
    answers: tuple[tuple[str, int, int], ...]

    def answer(self, major: int) -> str | None:
        """Return the answer of a version, as `told` writes it; None where it lacks the syntax."""
        fitting = (text for text, lowest, highest in self.answers if lowest <= major <= highest)
        return next(fitting, None)


def load() -> tuple[Construct, ...]:
    """Return every construct of the file, in its order."""
    text = CLINIC.with_name("constructs.sql").read_text("utf-8")
    blocks = text.split("\n\n-- ")[1:]
    return tuple(_block(block.strip().splitlines()) for block in blocks)


def _block(lines: list[str]) -> Construct:
    name, _, first = lines[0].partition(":")
    answers = [first, *(line.lstrip("- ") for line in lines if line.startswith("--"))]
    run = [line for line in lines[1:] if not line.startswith("--")]
    return Construct(name, run[-1].rstrip(";"), "\n".join(run[:-1]), tuple(map(_answer, answers)))


def _answer(text: str) -> tuple[str, int, int]:
    found = re.search(r"\[(\d*)-(\d*)\]$", text)
    lowest, highest = found.groups() if found else ("", "")
    return _sorted(text[: found.start()] if found else text), int(lowest or 0), int(highest or 99)


def told(effect: Effect) -> str:
    """Return an effect as an answer; the schema ``public`` goes without saying."""
    found = {"REWRITE": effect.rewritten, "SCAN": effect.scanned, "INDEX": effect.built}
    words = [
        *(f"{name}:{SHORT[mode]}" for name, mode in effect.locks.items()),
        *(f"{word}[{','.join(names)}]" for word, names in found.items() if names),
        *["PROVEN"] * effect.proven,
        *["FKSCAN"] * effect.validates_foreign_key,
        *([f"ERR[{effect.sqlstate}]"] if effect.sqlstate else []),
    ]
    return _sorted(" ".join(words).replace("public.", ""))


def _sorted(answer: str) -> str:
    """Put the words, and the names in brackets, into order."""
    listed = re.sub(r"\[.*?\]", lambda found: f"[{','.join(_names(found[0]))}]", answer)
    return " ".join(sorted(listed.split()))


def _names(bracket: str) -> list[str]:
    return sorted(bracket.strip("[]").split(","))
