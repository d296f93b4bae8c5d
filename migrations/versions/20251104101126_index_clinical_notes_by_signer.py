"""Find the notes a member of staff signed.

The only revision outside a transaction, so that clinicians can write while the index grows.
"""

from alembic import op

revision = "20251104101126"
down_revision = "20251022112351"


def upgrade() -> None:
    """Build the index without blocking writes."""
    with op.get_context().autocommit_block():
        op.create_index(
            "clinical_notes_signedById_signedAt_idx",
            "clinical_notes",
            ["signedById", "signedAt"],
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Drop the index without blocking writes."""
    with op.get_context().autocommit_block():
        op.drop_index(
            "clinical_notes_signedById_signedAt_idx",
            "clinical_notes",
            postgresql_concurrently=True,
        )
