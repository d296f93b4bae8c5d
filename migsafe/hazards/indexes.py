"""Hazards of indexes."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
