"""Appointment reminders and note templates."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ENUM, TIMESTAMP

revision = "20251112140958"
down_revision = "20251104101126"

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")


def upgrade() -> None:
    """Remember when a reminder went out; create the templates."""
    op.add_column("appointments", sa.Column("reminderSentAt", MOMENT))
    op.create_table(
        "note_templates",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            ENUM(name="NoteKind", create_type=False),
            server_default="PROGRESS",
            nullable=False,
        ),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("createdById", sa.Text()),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="note_templates_pkey"),
        sa.ForeignKeyConstraint(
            ["createdById"],
            ["staff.id"],
            name="note_templates_createdById_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_index("note_templates_name_key", "note_templates", ["name"], unique=True)


def downgrade() -> None:
    """Drop the templates and the column."""
    op.drop_table("note_templates")
    op.drop_column("appointments", "reminderSentAt")
