"""Hazards of columns."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
