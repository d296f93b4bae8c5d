"""The use cases: every front end calls these, with settings in and a `Report` out.

Each is loaded when it is called for the first time: a question does not pay for what a run needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migsafe.pipeline.applying import apply
    from migsafe.pipeline.baselining import baseline
    from migsafe.pipeline.gating import gate
    from migsafe.pipeline.granting import grant
    from migsafe.pipeline.linting import lint
    from migsafe.pipeline.past import history, report
    from migsafe.pipeline.proving import prove
    from migsafe.pipeline.questions import audit, plan, status, verify
    from migsafe.pipeline.resolving import resolve
    from migsafe.pipeline.setup import init

__all__ = [
    "apply",
    "audit",
    "baseline",
    "gate",
    "grant",
    "history",
    "init",
    "lint",
    "plan",
    "prove",
    "report",
    "resolve",
    "status",
    "verify",
]

_MODULES = {
    "apply": "applying",
    "baseline": "baselining",
    "gate": "gating",
    "grant": "granting",
    "history": "past",
    "prove": "proving",
    "report": "past",
    "resolve": "resolving",
    "init": "setup",
    "lint": "linting",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    module = import_module(f"migsafe.pipeline.{_MODULES.get(name, 'questions')}")
    return getattr(module, name)
