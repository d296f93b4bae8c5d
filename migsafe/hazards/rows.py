"""Hazards of rows."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
