"""A clinical note is signed, and completed within a week of its session."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20250812141106"
down_revision = "20250423133244"

MOMENT = TIMESTAMP(precision=3)


def upgrade() -> None:
    """Add who signed and when, and the due date; fill the due date, then require it."""
    op.add_column("clinical_notes", sa.Column("signedAt", MOMENT))
    op.add_column("clinical_notes", sa.Column("signedById", sa.Text()))
    op.add_column("clinical_notes", sa.Column("dueDate", sa.Date()))
    op.create_foreign_key(
        "clinical_notes_signedById_fkey",
        "clinical_notes",
        "staff",
        ["signedById"],
        ["id"],
        ondelete="RESTRICT",
        onupdate="CASCADE",
    )
    op.execute("""UPDATE clinical_notes SET "dueDate" = "sessionDate" + INTERVAL '7 days'""")
    op.alter_column("clinical_notes", "dueDate", nullable=False)


def downgrade() -> None:
    """Drop the columns, and with them the signatures and due dates."""
    op.drop_column("clinical_notes", "dueDate")
    op.drop_column("clinical_notes", "signedById")
    op.drop_column("clinical_notes", "signedAt")
