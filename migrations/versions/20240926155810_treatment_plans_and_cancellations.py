"""Treatment plans, no-shows and cancellations."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TIMESTAMP

revision = "20240926155810"
down_revision = "20240709132918"

MOMENT = TIMESTAMP(precision=3)
NOW = sa.text("CURRENT_TIMESTAMP")
PLAN_STATUSES = ("ACTIVE", "ON_HOLD", "COMPLETED")


def upgrade() -> None:
    """Create plans with their goals, link notes to plans, and say why a session did not happen."""
    op.create_table(
        "treatment_plans",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("clientId", sa.Text(), nullable=False),
        sa.Column("staffId", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(*PLAN_STATUSES, name="PlanStatus"),
            server_default="ACTIVE",
            nullable=False,
        ),
        sa.Column("startsOn", sa.Date(), nullable=False),
        sa.Column("reviewOn", sa.Date()),
        sa.Column("createdAt", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updatedAt", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="treatment_plans_pkey"),
        sa.ForeignKeyConstraint(
            ["clientId"],
            ["clients.id"],
            name="treatment_plans_clientId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["staffId"],
            ["staff.id"],
            name="treatment_plans_staffId_fkey",
            ondelete="RESTRICT",
            onupdate="CASCADE",
        ),
    )
    op.create_table(
        "treatment_goals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("treatmentPlanId", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("reachedAt", MOMENT),
        sa.PrimaryKeyConstraint("id", name="treatment_goals_pkey"),
        sa.ForeignKeyConstraint(
            ["treatmentPlanId"],
            ["treatment_plans.id"],
            name="treatment_goals_treatmentPlanId_fkey",
            ondelete="CASCADE",
            onupdate="CASCADE",
        ),
    )
    op.create_index("treatment_plans_clientId_idx", "treatment_plans", ["clientId"])
    op.create_index(
        "treatment_goals_treatmentPlanId_position_key",
        "treatment_goals",
        ["treatmentPlanId", "position"],
        unique=True,
    )
    op.add_column("clinical_notes", sa.Column("treatmentPlanId", sa.Text()))
    op.create_foreign_key(
        "clinical_notes_treatmentPlanId_fkey",
        "clinical_notes",
        "treatment_plans",
        ["treatmentPlanId"],
        ["id"],
        ondelete="SET NULL",
        onupdate="CASCADE",
    )
    op.execute("""ALTER TYPE "AppointmentStatus" ADD VALUE IF NOT EXISTS 'NO_SHOW'""")
    op.add_column("appointments", sa.Column("cancellationReason", sa.Text()))
    op.add_column("appointments", sa.Column("cancelledAt", MOMENT))


def downgrade() -> None:
    """Drop what was added, except NO_SHOW: PostgreSQL cannot take a label out of an enum."""
    op.drop_column("appointments", "cancelledAt")
    op.drop_column("appointments", "cancellationReason")
    op.drop_column("clinical_notes", "treatmentPlanId")
    op.drop_table("treatment_goals")
    op.drop_table("treatment_plans")
    op.execute('DROP TYPE "PlanStatus"')
