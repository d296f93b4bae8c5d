"""Insurance, invoices and payments."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20240227090756"
down_revision = "20240124152208"

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")
INVOICE_STATUSES = ("DRAFT", "ISSUED", "PAID", "VOID")
PAYMENT_METHODS = ("CARD", "CASH", "BANK_TRANSFER", "INSURANCE")


def upgrade() -> None:
    """Create policies, invoices with their lines, and payments."""
    op.create_table(
        "insurance_policies",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("memberNumber", sa.Text(), nullable=False),
        sa.Column("isPrimary", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("validFrom", sa.Date(), nullable=False),
        sa.Column("validUntil", sa.Date()),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="insurance_policies_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="insurance_policies_clientId_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("appointmentId", sa.Text()),
        sa.Column(
            "status",
            sa.Enum(*INVOICE_STATUSES, name="InvoiceStatus"),
            server_default="DRAFT",
            nullable=False,
        ),
        sa.Column("total", sa.Numeric(10, 2), server_default=sa.text("0"), nullable=False),
        sa.Column("issuedAt", MOMENT),
        sa.Column("dueAt", sa.Date()),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="invoices_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="invoices_clientId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["appointmentId"],
            ["appointments.id"],
            name="invoices_appointmentId_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "invoice_lines",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("invoiceId", sa.Text(), nullable=False),
        sa.Column("serviceId", sa.Text()),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("unitPrice", sa.Numeric(10, 2), nullable=False),
        sa.PrimaryKeyConstraint("id", name="invoice_lines_pkey"),
        sa.ForeignKeyConstraint(
            ["invoiceId"],
            ["invoices.id"],
            name="invoice_lines_invoiceId_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["serviceId"],
            ["services.id"],
            name="invoice_lines_serviceId_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("invoiceId", sa.Text(), nullable=False),
        sa.Column(
            "method",
            sa.Enum(*PAYMENT_METHODS, name="PaymentMethod"),
            server_default="CARD",
            nullable=False,
        ),
        sa.Column("amount", sa.Numeric(10, 2), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("receivedAt", MOMENT, nullable=False),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="payments_pkey"),
        sa.ForeignKeyConstraint(
            ["invoiceId"],
            ["invoices.id"],
            name="payments_invoiceId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
    )
    op.create_index("insurance_policies_clientId_idx", "insurance_policies", ["clientId"])
    op.create_index(
        "insurance_policies_payer_memberNumber_key",
        "insurance_policies",
        ["payer", "memberNumber"],
        unique=True,
    )
    op.create_index("invoices_number_key", "invoices", ["number"], unique=True)
    op.create_index("invoices_clientId_status_idx", "invoices", ["clientId", "status"])
    op.create_index("invoice_lines_invoiceId_idx", "invoice_lines", ["invoiceId"])
    op.create_index("payments_invoiceId_idx", "payments", ["invoiceId"])


def downgrade() -> None:
    """Drop the four tables and their types."""
    op.drop_table("payments")
    op.drop_table("invoice_lines")
    op.drop_table("invoices")
    op.drop_table("insurance_policies")
    op.execute('DROP TYPE "PaymentMethod"')
    op.execute('DROP TYPE "InvoiceStatus"')
