"""Rooms, and which services each member of staff offers.

`_ServiceToStaff` is an implicit many-to-many table of Prisma: "A" is the service, "B" the staff.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20240409112714"
down_revision = "20240227090756"

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")


def upgrade() -> None:
    """Create both tables; call a client's telephone a phone."""
    op.create_table(
        "rooms",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("locationId", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("capacity", sa.Integer(), server_default=sa.text("2"), nullable=False),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="rooms_pkey"),
        sa.ForeignKeyConstraint(
            ["locationId"],
            ["locations.id"],
            name="rooms_locationId_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )
    op.create_index("rooms_locationId_name_key", "rooms", ["locationId", "name"], unique=True)
    op.add_column("appointments", sa.Column("roomId", sa.Text()))
    op.create_foreign_key(
        "appointments_roomId_fkey",
        "appointments",
        "rooms",
        ["roomId"],
        ["id"],
        ondelete="SET NULL",
        onupdate="CASCADE",
    )
    op.create_table(
        "_ServiceToStaff",
        sa.Column("A", sa.Text(), nullable=False),
        sa.Column("B", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["A"],
            ["services.id"],
            name="_ServiceToStaff_A_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["B"],
            ["staff.id"],
            name="_ServiceToStaff_B_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )
    op.create_index("_ServiceToStaff_AB_unique", "_ServiceToStaff", ["A", "B"], unique=True)
    op.create_index("_ServiceToStaff_B_index", "_ServiceToStaff", ["B"])
    op.alter_column("clients", "telephone", new_column_name="phone")


def downgrade() -> None:
    """Drop both tables and give the column its old name."""
    op.alter_column("clients", "phone", new_column_name="telephone")
    op.drop_table("_ServiceToStaff")
    op.drop_column("appointments", "roomId")
    op.drop_table("rooms")
