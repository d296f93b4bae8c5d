"""Hazards of style."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
