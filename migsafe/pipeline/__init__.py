"""The use cases: every front end calls these, with settings in and a `Report` out."""

from migsafe.pipeline.applying import apply
from migsafe.pipeline.past import history, report
from migsafe.pipeline.questions import audit, plan, status, verify
from migsafe.pipeline.resolving import resolve
from migsafe.pipeline.setup import init

__all__ = ["apply", "audit", "history", "init", "plan", "report", "resolve", "status", "verify"]
