"""Standard services, sane invoice lines, and a key for the join table."""

import sqlalchemy as sa
from alembic import op

revision = "20241204101652"
down_revision = "20240926155810"

STANDARD_SERVICES = """
    INSERT INTO services (id, code, name, "durationMinutes", price, "updatedAt") VALUES
    ('service-intake', 'INTAKE', 'Intake interview', 80, 140.00, CURRENT_TIMESTAMP),
    ('service-individual', 'INDIVIDUAL', 'Individual session', 50, 95.00, CURRENT_TIMESTAMP),
    ('service-family', 'FAMILY', 'Family session', 50, 120.00, CURRENT_TIMESTAMP),
    ('service-group', 'GROUP', 'Group session', 50, 45.00, CURRENT_TIMESTAMP),
    ('service-assessment', 'ASSESSMENT', 'Psychological assessment', 110, 210.00,
     CURRENT_TIMESTAMP),
    ('service-review', 'REVIEW', 'Treatment review', 50, 80.00, CURRENT_TIMESTAMP)
    ON CONFLICT (code) DO NOTHING
"""


def upgrade() -> None:
    """Insert the services every location offers; check amounts; key the join table."""
    op.execute(STANDARD_SERVICES)
    op.create_check_constraint(
        "invoice_lines_amounts_check",
        "invoice_lines",
        sa.text('"quantity" > 0 AND "unitPrice" >= 0'),
    )
    op.create_primary_key("_ServiceToStaff_AB_pkey", "_ServiceToStaff", ["A", "B"])
    op.drop_index("_ServiceToStaff_AB_unique", "_ServiceToStaff")


def downgrade() -> None:
    """Undo the constraints; the services stay, for rows may point at them."""
    op.create_index("_ServiceToStaff_AB_unique", "_ServiceToStaff", ["A", "B"], unique=True)
    op.drop_constraint("_ServiceToStaff_AB_pkey", "_ServiceToStaff")
    op.drop_constraint("invoice_lines_amounts_check", "invoice_lines")
