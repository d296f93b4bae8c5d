"""The waiting list, and a view of the invoices that wait for money."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20250225151417"
down_revision = "20241204101652"

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")

LOWER_CASE_EMAILS = """
    UPDATE clients
    SET email = LOWER(TRIM(email))
    WHERE email <> LOWER(TRIM(email))
"""
OPEN_INVOICES = """
    CREATE VIEW open_invoices AS
    SELECT
        i.id,
        i.number,
        i."clientId",
        i."dueAt",
        i.total,
        COALESCE(SUM(p.amount), 0) AS received
    FROM invoices AS i
    LEFT JOIN payments AS p ON p."invoiceId" = i.id
    WHERE i.status = 'ISSUED'
    GROUP BY i.id
"""


def upgrade() -> None:
    """Create the table and the view; store addresses in lower case, as sign-in compares them."""
    op.create_table(
        "waitlist_entries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("serviceId", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("3"), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("closedAt", MOMENT),
        sa.PrimaryKeyConstraint("id", name="waitlist_entries_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="waitlist_entries_clientId_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["serviceId"],
            ["services.id"],
            name="waitlist_entries_serviceId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
    )
    op.create_index(
        "waitlist_entries_serviceId_priority_createdAt_idx",
        "waitlist_entries",
        ["serviceId", "priority", "createdAt"],
    )
    op.execute(LOWER_CASE_EMAILS)
    op.execute(OPEN_INVOICES)


def downgrade() -> None:
    """Drop the view and the table; addresses stay in lower case."""
    op.execute("DROP VIEW open_invoices")
    op.drop_table("waitlist_entries")
