"""Consents, documents, messages and the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

revision = "20240709132918"
down_revision = "20240409112714"

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")
CONSENT_KINDS = ("TREATMENT", "TELEHEALTH", "DATA_SHARING")


def upgrade() -> None:
    """Create the four tables; index a clinician's calendar by time."""
    op.create_table(
        "consents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("kind", sa.Enum(*CONSENT_KINDS, name="ConsentKind"), nullable=False),
        sa.Column("givenAt", MOMENT, nullable=False),
        sa.Column("withdrawnAt", MOMENT),
        sa.Column("recordedById", sa.Text(), nullable=False),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="consents_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="consents_clientId_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["recordedById"],
            ["staff.id"],
            name="consents_recordedById_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("uploadedById", sa.Text()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("storageKey", sa.Text(), nullable=False),
        sa.Column("contentType", sa.Text(), server_default="application/pdf", nullable=False),
        sa.Column("sizeBytes", sa.BigInteger(), nullable=False),
        sa.Column("tags", ARRAY(sa.Text()), server_default=sa.text("ARRAY[]::TEXT[]")),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="documents_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="documents_clientId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["uploadedById"],
            ["staff.id"],
            name="documents_uploadedById_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("staffId", sa.Text(), nullable=False),
        sa.Column("fromClient", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sentAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("readAt", MOMENT),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="messages_clientId_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["staffId"],
            ["staff.id"],
            name="messages_staffId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("staffId", sa.Text()),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entityId", sa.Text(), nullable=False),
        sa.Column("details", JSONB(), server_default="{}", nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_log_pkey"),
        sa.ForeignKeyConstraint(
            ["staffId"],
            ["staff.id"],
            name="audit_log_staffId_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_index("consents_clientId_kind_idx", "consents", ["clientId", "kind"])
    op.create_index("documents_storageKey_key", "documents", ["storageKey"], unique=True)
    op.create_index("documents_clientId_idx", "documents", ["clientId"])
    op.create_index("messages_clientId_sentAt_idx", "messages", ["clientId", "sentAt"])
    op.create_index("audit_log_entity_entityId_idx", "audit_log", ["entity", "entityId"])
    op.drop_index("appointments_staffId_idx", "appointments")
    op.create_index("appointments_staffId_startsAt_idx", "appointments", ["staffId", "startsAt"])


def downgrade() -> None:
    """Drop the four tables and put the old index back."""
    op.create_index("appointments_staffId_idx", "appointments", ["staffId"])
    op.drop_index("appointments_staffId_startsAt_idx", "appointments")
    op.drop_table("audit_log")
    op.drop_table("messages")
    op.drop_table("documents")
    op.drop_table("consents")
    op.execute('DROP TYPE "ConsentKind"')
