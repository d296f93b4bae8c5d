"""A clinical note may be a draft: without an appointment, a session date or a due date."""

from alembic import op

revision = "20251119024521"
down_revision = "20251112140958"

DRAFT_FIELDS = ("appointmentId", "sessionDate", "dueDate")


def upgrade() -> None:
    """Allow NULL in the fields a draft lacks."""
    for column in DRAFT_FIELDS:
        op.alter_column("clinical_notes", column, nullable=True)


def downgrade() -> None:
    """Require the fields again, which fails while there are drafts."""
    for column in DRAFT_FIELDS:
        op.alter_column("clinical_notes", column, nullable=False)
