"""Hazards of transactions."""

from migsafe.hazards import Rule

RULES: tuple[Rule, ...] = ()
