"""Wait for what AWS does, and say how far it is; the clock is that of `snapshots.polling`."""

from collections.abc import Callable

from migsafe.errors import UnreachableError
from migsafe.snapshots import polling


def until(
    look: Callable[[], str | None], *, place: str, timeout: float, notify: Callable[[str], None]
) -> None:
    """Look until there is nothing more to wait for, which is None; else `look` says what it is."""
    began = polling.clock()
    for pause in polling.pauses():
        status = look()
        if status is None:
            return
        passed = polling.clock() - began
        if passed >= timeout:
            problem = f"is still {status} after {polling.spelled(timeout)}"
            raise UnreachableError(place, problem, "go on once that has changed")
        notify(f"{place}: {status}, for {polling.spelled(passed)}")
        polling.sleep(min(pause, max(timeout - passed, 0.0)))
