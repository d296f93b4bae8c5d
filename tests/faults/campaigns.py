"""Many trials of one kind, chosen by a seed, and what they come to."""

import random
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.faults import SCALE, trials
from tests.faults.actions import Action
from tests.faults.proxy import Moment, Step
from tests.faults.trials import Bench, Fault, Trial

#: One in so many trials is before the first write, where nothing can be half done.
_READING = 8

Place = tuple[Step, Moment]


def scaled(count: int) -> int:
    """Return how many trials to make where so many are the measure."""
    return max(1, round(count * SCALE))


def places(course: Sequence[Step], moments: Iterable[Moment]) -> tuple[list[Place], list[Place]]:
    """Return the places of a course before anything is written, and the others."""
    first = next(n for n, step in enumerate(course) if "SCHEMA IF NOT EXISTS" in step.text)
    found = [(step, moment) for step in course for moment in moments]
    border = max(first - 2, 0) * len(found) // len(course)
    return found[:border], found[border:]


def chosen(course: Sequence[Step], count: int, chance: random.Random) -> list[Place]:
    """Choose places without repetition, at most so many; few of them before the first write."""
    reading, writing = places(course, Moment)
    early = min(count // _READING, len(reading))
    late = min(count - early, len(writing))
    return chance.sample(reading, early) + chance.sample(writing, late)


def committing(course: Sequence[Step]) -> list[Place]:
    """Return the places around and in each COMMIT."""
    return [(step, moment) for step in course if step.commits for moment in Moment]


def around(course: Sequence[Step], count: int, chance: random.Random) -> list[Place]:
    """Choose places, half of them around and in a COMMIT."""
    commits = committing(course)
    wanted = chance.sample(commits, min((count + 1) // 2, len(commits)))
    return wanted + chosen(course, count - len(wanted), chance)


def pausing(course: Sequence[Step]) -> list[Place]:
    """Return the insides of the statements that are made to take a while."""
    return [(step, Moment.INSIDE) for step in course if step.pauses]


@dataclass(slots=True)
class Tally:
    """What some trials came to."""

    trials: list[Trial] = field(default_factory=list)

    def __add__(self, other: "Tally") -> "Tally":
        """Put two together."""
        return Tally([*self.trials, *other.trials])

    @property
    def sprung(self) -> list[Trial]:
        """Those in which the fault happened."""
        return [trial for trial in self.trials if trial.sprung]

    @property
    def wrong(self) -> list[str]:
        """Those in which something untrue was said or recorded."""
        return [str(trial) for trial in self.trials if trial.wrong]

    @property
    def lost(self) -> list[str]:
        """Those that no command of migsafe brought to the right end."""
        return [str(trial) for trial in self.trials if not trial.recovered]

    @property
    def cautious(self) -> int:
        """How many runs called for a person where whole migrations are in effect."""
        return sum(trial.cautious for trial in self.trials)

    @property
    def by_hand(self) -> int:
        """How many recoveries took a resolve beside the applies."""
        return sum(bool(trial.recovery.resolved) for trial in self.sprung)

    @property
    def hung(self) -> int:
        """How many runs did not end in time."""
        return sum(trial.hung for trial in self.trials)

    @property
    def invalid(self) -> int:
        """How many INVALID indexes were left in the end."""
        return sum(trial.invalid for trial in self.trials)

    @property
    def codes(self) -> Counter[int]:
        """The exit codes of the disturbed runs, and how often each."""
        return Counter(trial.ended.code for trial in self.sprung if trial.ended)

    @property
    def free(self) -> list[float]:
        """Seconds from each fault until the server was free, in order."""
        return sorted(trial.free for trial in self.sprung if trial.free is not None)

    @property
    def median(self) -> float:
        """The median of these seconds."""
        return statistics.median(self.free) if self.free else 0.0

    @property
    def longest(self) -> float:
        """The most seconds from a fault to the end of its run."""
        return max((trial.seconds for trial in self.sprung), default=0.0)


def campaign(
    bench: Bench,
    action: Action,
    wanted: Sequence[Place],
    chance: random.Random,
    *,
    pause: float | None = None,
    eager: float = 0.0,
) -> Tally:
    """Let an action happen at each of these places of a bench's deployment.

    `eager` is the share of trials in which the next deployment comes at once.
    """
    tally = Tally()
    for step, moment in wanted:
        fault = Fault(
            step=step,
            moment=moment,
            act=action.act,
            loses=moment in action.loses,
            delay=chance.choice((0.0, 0.02, 0.1)),
            pause=pause,
            eager=chance.random() < eager,
        )
        tally.trials.append(trials.run(bench, fault))
    return tally


def disturbed(bench: Bench, action: Action, count: int) -> Tally:
    """Let an action happen at some places of a bench, half of them around and in a COMMIT."""
    chance = random.Random(f"{bench.cell.title} {action.title}")
    return campaign(bench, action, around(bench.course, count, chance), chance)
