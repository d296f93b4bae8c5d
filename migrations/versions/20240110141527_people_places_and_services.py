"""People, places and services.

The three tables that everything else points to, and the list of what the clinic offers.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20240110141527"
down_revision = None

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")
STAFF_ROLES = ("CLINICIAN", "SUPERVISOR", "BILLING", "FRONT_DESK", "ADMIN")


def upgrade() -> None:
    """Create locations, staff, clients and services."""
    op.create_table(
        "locations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("addressLine", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("postalCode", sa.Text(), nullable=False),
        sa.Column("timeZone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="locations_pkey"),
    )
    op.create_table(
        "staff",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("firstName", sa.Text(), nullable=False),
        sa.Column("lastName", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(*STAFF_ROLES, name="StaffRole"),
            server_default="CLINICIAN",
            nullable=False,
        ),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("locationId", sa.Text()),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="staff_pkey"),
        sa.ForeignKeyConstraint(
            ["locationId"],
            ["locations.id"],
            name="staff_locationId_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "clients",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("firstName", sa.Text(), nullable=False),
        sa.Column("lastName", sa.Text(), nullable=False),
        sa.Column("preferredName", sa.Text()),
        sa.Column("dateOfBirth", sa.Date(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("telephone", sa.Text()),
        sa.Column("primaryStaffId", sa.Text()),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="clients_pkey"),
        sa.ForeignKeyConstraint(
            ["primaryStaffId"],
            ["staff.id"],
            name="clients_primaryStaffId_fkey",
            ondelete="SET NULL",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "services",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("durationMinutes", sa.Integer(), server_default=sa.text("50"), nullable=False),
        sa.Column("price", sa.Numeric(10, 2), nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="services_pkey"),
    )
    op.create_index("staff_email_key", "staff", ["email"], unique=True)
    op.create_index("clients_lastName_firstName_idx", "clients", ["lastName", "firstName"])
    op.create_index("services_code_key", "services", ["code"], unique=True)


def downgrade() -> None:
    """Leave an empty database."""
    op.drop_table("services")
    op.drop_table("clients")
    op.drop_table("staff")
    op.drop_table("locations")
    op.execute('DROP TYPE "StaffRole"')
