"""Hazards of destructive."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
