"""Hazards of constraints."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
