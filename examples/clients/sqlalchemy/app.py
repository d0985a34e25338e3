"""Migrates with Alembic, and works with models of SQLAlchemy."""

import os

from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Integer, String, create_engine, select
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Lake(Base):
    __tablename__ = "lakes"
    name = Column(String, primary_key=True)
    depth = Column("depth_m", Integer, nullable=False)


if __name__ == "__main__":
    command.upgrade(Config("alembic.ini"), "head")
    # A small pool: the proxy has the large one.
    engine = create_engine(os.environ["DATABASE_URL"], pool_size=2, pool_pre_ping=True)
    with Session(engine) as session, session.begin():
        for name, depth in {"Baikal": 1642, "Tanganyika": 1470, "Geneva": 310}.items():
            session.merge(Lake(name=name, depth=depth))
    with Session(engine) as session:
        for lake in session.execute(select(Lake).where(Lake.depth > 1000).order_by(Lake.name)).scalars():
            print(lake.name, lake.depth)
