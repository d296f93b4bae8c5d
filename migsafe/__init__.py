"""Audit, snapshot, apply and verify PostgreSQL migrations.

The commands are functions here: `migsafe.audit(url=…)` returns its `Report` (docs/howto/python.md).
They are loaded when one is called for: the command line starts without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migsafe.api import apply, audit, lint, plan, status, verify
    from migsafe.errors import MigsafeError
    from migsafe.reports import Report

__version__ = "0.1.0"

__all__ = [
    "MigsafeError",
    "Report",
    "apply",
    "audit",
    "lint",
    "plan",
    "status",
    "verify",
]

_MODULES = {"MigsafeError": "migsafe.errors", "Report": "migsafe.reports"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "migsafe.api")), name)
