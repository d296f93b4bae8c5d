"""What becomes of a deployment when its process, its server or the network between them goes.

A proxy that knows the wire protocol stands between migsafe and the server. It counts the requests,
and lets one fault happen at one of them.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

#: Multiplies the number of faults: a fifth of those that CI tries, so that `make test` stays
#: quick enough to be run before each commit.
SCALE = float(os.environ.get("MIGSAFE_FAULTS", "0.2"))

Case = TypeVar("Case")


def enough(cases: Sequence[Case]) -> Sequence[Case]:
    """Return the cases that CI tries, or a third of them in a quick run."""
    return cases if SCALE >= 1 else cases[::3]
