"""Run the reference clinic's Alembic history, on a server or as SQL text (`--sql`)."""

import os

from alembic import context
from sqlalchemy import URL, NullPool, create_engine, make_url


def target_url() -> URL:
    """Return the URL of `-x url=` or MIGSAFE_URL, for the psycopg driver."""
    given = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("MIGSAFE_URL")
    if not given:
        raise SystemExit("alembic: no target: give -x url=postgresql://... or set MIGSAFE_URL")
    url = make_url(given)
    plain = url.drivername in {"postgresql", "postgres"}
    return url.set(drivername="postgresql+psycopg") if plain else url


# One transaction a revision: a CONCURRENTLY revision can leave its own, and no other.
if context.is_offline_mode():
    context.configure(url=target_url(), literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(target_url(), poolclass=NullPool).connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
