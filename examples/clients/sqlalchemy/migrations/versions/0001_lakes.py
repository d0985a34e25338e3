"""Creates lakes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("lakes", sa.Column("name", sa.String, primary_key=True), sa.Column("depth_m", sa.Integer, nullable=False))


def downgrade():
    op.drop_table("lakes")
