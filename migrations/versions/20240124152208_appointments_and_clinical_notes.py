"""Appointments and clinical notes.

A note names its appointment without a foreign key: notes were imported from the previous
system, and not all of its appointment ids are known.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20240124152208"
down_revision = "20240110141527"

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")
STATUSES = ("SCHEDULED", "CONFIRMED", "COMPLETED", "CANCELLED")
NOTE_KINDS = ("INTAKE", "PROGRESS", "ASSESSMENT", "DISCHARGE")


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "appointments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("staffId", sa.Text(), nullable=False),
        sa.Column("serviceId", sa.Text()),
        sa.Column("locationId", sa.Text()),
        sa.Column("startsAt", MOMENT, nullable=False),
        sa.Column("endsAt", MOMENT, nullable=False),
        sa.Column(
            "status",
            sa.Enum(*STATUSES, name="AppointmentStatus"),
            server_default="SCHEDULED",
            nullable=False,
        ),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="appointments_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="appointments_clientId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["staffId"],
            ["staff.id"],
            name="appointments_staffId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["serviceId"],
            ["services.id"],
            name="appointments_serviceId_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["locationId"],
            ["locations.id"],
            name="appointments_locationId_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "clinical_notes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("authorId", sa.Text(), nullable=False),
        sa.Column("appointmentId", sa.Text()),
        sa.Column(
            "kind",
            sa.Enum(*NOTE_KINDS, name="NoteKind"),
            server_default="PROGRESS",
            nullable=False,
        ),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sessionDate", MOMENT, nullable=False),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="clinical_notes_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="clinical_notes_clientId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["authorId"],
            ["staff.id"],
            name="clinical_notes_authorId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
    )
    op.create_index("appointments_clientId_idx", "appointments", ["clientId"])
    op.create_index("appointments_staffId_idx", "appointments", ["staffId"])
    op.create_index(
        "clinical_notes_clientId_sessionDate_idx",
        "clinical_notes",
        ["clientId", sa.text('"sessionDate" DESC')],
    )
    op.create_index("clinical_notes_appointmentId_idx", "clinical_notes", ["appointmentId"])


def downgrade() -> None:
    """Drop both tables and their types."""
    op.drop_table("clinical_notes")
    op.drop_table("appointments")
    op.execute('DROP TYPE "NoteKind"')
    op.execute('DROP TYPE "AppointmentStatus"')
