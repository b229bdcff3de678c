"""The database's schema: all tables in one place for Alembic, and bringing a database up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from trouvaille.accounts import models as accounts
from trouvaille.cameras import models as cameras
from trouvaille.core import jobs, mail, moving, snapshots
from trouvaille.core.db import Base, driver_url
from trouvaille.crew import models as crew
from trouvaille.delivery import models as delivery
from trouvaille.events import models as events
from trouvaille.faces import models as faces
from trouvaille.guests import models as guests
from trouvaille.imports import models as imports
from trouvaille.ingest import models as ingest
from trouvaille.matching import models as matching
from trouvaille.news import models as news
from trouvaille.photos import models as photos
from trouvaille.rekognition import models as rekognition
from trouvaille.web import once

MODELS = (
    accounts,
    events,
    guests,
    photos,
    faces,
    rekognition,
    matching,
    news,
    crew,
    cameras,
    delivery,
    jobs,
    mail,
    moving,
    ingest,
    imports,
    snapshots,
    once,
)
METADATA = Base.metadata
SCRIPTS = Path(__file__).parent / "migrations"
# Two instances that start together must not migrate at the same time.
LOCK = 7_312_954_011


def config() -> Config:
    """Alembic's configuration; the scripts lie in the package, so an installed product can migrate."""
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS))
    return made


def migrate(url: str) -> None:
    """Bring a database to the newest schema; safe to run from several processes at once."""
    engine = create_engine(driver_url(url))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            connection.commit()
            made = config()
            made.attributes["connection"] = connection
            try:
                command.upgrade(made, "head")
            finally:
                connection.rollback()
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
                connection.commit()
    finally:
        engine.dispose()


def is_current(url: str) -> bool:
    """Whether a database has the newest schema."""
    engine = create_engine(driver_url(url))
    try:
        with engine.connect() as connection:
            present = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    return present == ScriptDirectory.from_config(config()).get_current_head()
