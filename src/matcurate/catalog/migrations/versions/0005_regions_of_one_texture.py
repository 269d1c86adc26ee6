"""Regions of one texture.

Revision 0005, after 0004; 2026-11-21 22:55:00.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "texture_part",
        sa.Column("micrograph_id", sa.Integer(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("crop", sa.Integer(), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["micrograph_id"], ["micrograph.id"], name=op.f("fk_texture_part_micrograph_id")),
        sa.PrimaryKeyConstraint("micrograph_id", "method", "crop", name=op.f("pk_texture_part")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("texture_part")
