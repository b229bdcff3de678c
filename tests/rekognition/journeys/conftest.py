"""Journeys with the second engine: by the pages, on the wire, with real photos and the jobs worked off."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.people import Visitor
from tests.rekognition.conftest import work_off
from tests.rekognition.eyes import Eyes
from tests.rekognition.journeys.looking import rows
from trouvaille.app import create_app
from trouvaille.demo.party import GUESTS, SampleGuest, selfie_jpeg
from trouvaille.settings import Settings
from trouvaille.vision.engine import LocalEngine

Visitors = Callable[[], Visitor]
Jobs = Callable[[], None]


@pytest.fixture(autouse=True)
def _with_eyes(eyes: Eyes) -> None:
    """The account sees who is in real photos."""


@pytest.fixture
def site(with_rekognition: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(with_rekognition), follow_redirects=False) as client:
        yield client


@pytest.fixture
def owner(visitor: Visitors) -> Visitor:
    owner = visitor()
    owner.set_up_server()
    owner.make_event()
    return owner


@pytest.fixture
def jobs(with_rekognition: Settings, engine: LocalEngine) -> Jobs:
    """Work off every job; one that fails fails the test."""

    def run() -> None:
        work_off(with_rekognition, engine)
        assert rows(with_rekognition, "SELECT task_name FROM procrastinate_jobs WHERE status = 'failed'") == []

    return run


@pytest.fixture
def enrolled(owner: Visitor, visitor: Visitors, samples: dict[str, Path], jobs: Jobs) -> Callable[..., Visitor]:
    """Makes guests whose selfie was looked at."""

    def make(sample: SampleGuest = GUESTS[2]) -> Visitor:
        guest = visitor()
        guest.register("PARTY234", sample.username)
        guest.agree()
        guest.send_selfie(selfie_jpeg(sample, samples))
        jobs()
        return guest

    return make
