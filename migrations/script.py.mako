"""${message}.

Revises ${down_revision | comma,n}.
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Say what this adds."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Say what this takes away again."""
    ${downgrades if downgrades else "pass"}
