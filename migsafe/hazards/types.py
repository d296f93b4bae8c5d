"""Hazards of types."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
