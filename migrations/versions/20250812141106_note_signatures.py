"""Every clinical note is signed.

Notes from before signatures count as signed by their author when they were written.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20250812141106"
down_revision = "20250423133244"

MOMENT = TIMESTAMP(precision=3)


def upgrade() -> None:
    """Add signature columns, fill them, then require them."""
    op.add_column("clinical_notes", sa.Column("signedAt", MOMENT))
    op.add_column("clinical_notes", sa.Column("signedById", sa.Text()))
    op.create_foreign_key(
        "clinical_notes_signedById_fkey",
        "clinical_notes",
        "staff",
        ["signedById"],
        ["id"],
        ondelete="RESTRICT",
        onupdate="CASCADE",
    )
    op.execute('UPDATE clinical_notes SET "signedAt" = "createdAt" WHERE "signedAt" IS NULL')
    op.execute('UPDATE clinical_notes SET "signedById" = "authorId" WHERE "signedById" IS NULL')
    op.alter_column("clinical_notes", "signedAt", nullable=False)
    op.alter_column("clinical_notes", "signedById", nullable=False)


def downgrade() -> None:
    """Drop both columns, and with them the signatures."""
    op.drop_column("clinical_notes", "signedById")
    op.drop_column("clinical_notes", "signedAt")
