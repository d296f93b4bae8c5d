"""Every clinical note belongs to an appointment.

Fails while a note has none, or one that is gone: run the audit `orphaned-notes` first.
"""

from alembic import op

revision = "20251022112351"
down_revision = "20250812141106"


def upgrade() -> None:
    """Require the appointment, and require it to exist."""
    op.alter_column("clinical_notes", "appointmentId", nullable=False)
    op.create_foreign_key(
        "clinical_notes_appointmentId_fkey",
        "clinical_notes",
        "appointments",
        ["appointmentId"],
        ["id"],
        ondelete="RESTRICT",
        onupdate="CASCADE",
    )


def downgrade() -> None:
    """Allow a note without an appointment again."""
    op.drop_constraint("clinical_notes_appointmentId_fkey", "clinical_notes")
    op.alter_column("clinical_notes", "appointmentId", nullable=True)
