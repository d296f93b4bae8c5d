"""Hazards of relations."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
