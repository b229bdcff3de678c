"""Ways to look behind the pages."""

from pathlib import Path

import psycopg

from tests.people import Visitor
from trouvaille.demo.party import GUESTS
from trouvaille.settings import Settings

ROSE, INES, MAYA = GUESTS[2], GUESTS[3], GUESTS[4]
HERE = "/e/PARTY234"


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.database_url or "") as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def upload(owner: Visitor, samples: dict[str, Path], *names: str) -> dict[str, str]:
    """Upload samples; returns their file names by id."""
    return {row["id"]: row["file_name"] for row in owner.upload(*(samples[name] for name in names))["accepted"]}


def later(settings: Settings) -> None:
    """Let the time pass after which the service has caught up."""
    earlier = ", ".join(f"{name} = {name} - interval '1 minute'" for name in ("created_at", "searched_at"))
    rows(settings, f"UPDATE probes SET {earlier}")


def state(guest: Visitor) -> dict[str, str | None]:
    answer: dict[str, str | None] = guest.get(f"{HERE}/selfie/status", headers={"accept-language": "en"}).json()
    return answer
