"""Audit, snapshot, apply and verify PostgreSQL migrations."""

__version__ = "0.1.0"
