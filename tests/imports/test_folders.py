"""Photos from a folder of the server, below what the operator allows and nowhere else."""

import os
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.imports.conftest import Begin, finish, jpeg, photos, told
from trouvaille.accounts.models import Role, Staff
from trouvaille.core.db import transaction
from trouvaille.core.errors import Invalid
from trouvaille.core.import_rules import Rules
from trouvaille.events.models import Event
from trouvaille.imports import service
from trouvaille.imports.models import ImportState
from trouvaille.imports.places import NotAllowed, below
from trouvaille.imports.running import Bench, step

pytestmark = pytest.mark.anyio


async def test_every_photo_below_the_folder_comes_in_and_every_other_file_is_told(
    bench: Bench, begin: Begin, root: Path
) -> None:
    (root / "day 1" / "deep").mkdir(parents=True)
    same = jpeg()
    (root / "a.jpg").write_bytes(same)
    (root / "day 1" / "b.JPG").write_bytes(jpeg())
    (root / "day 1" / "deep" / "again.jpg").write_bytes(same)
    (root / "broken.png").write_bytes(b"no picture")
    (root / "empty.jpg").write_bytes(b"")
    (root / "notes.txt").write_text("x")
    (root / ".hidden.jpg").write_bytes(jpeg())
    one = await begin(path=str(root))
    ended = await finish(bench, one)
    assert (ended.state, ended.sealed) == (ImportState.DONE, None)
    found = await told(bench, one)
    assert found.pop("broken.png").startswith("refused: This file is not a picture that we can read")
    assert found.pop("empty.jpg") == "refused: This file is empty."
    assert found == {"a.jpg": "added", "day 1/b.JPG": "added", "day 1/deep/again.jpg": "known", "notes.txt": "left_out"}
    assert await photos(bench) == ["a.jpg", "b.JPG"]
    async with transaction(bench.sessions) as session:
        progress = (await service.progresses(session, [one]))[one]
    assert (progress.found, progress.done, progress.refused, progress.left_out) == (6, 5, 2, 1)
    assert list(bench.rules.staging.iterdir()) == []


async def test_what_is_done_to_a_file_afterwards_does_not_reach_the_store(
    bench: Bench, begin: Begin, root: Path, event: Event
) -> None:
    data = jpeg()
    (root / "a.jpg").write_bytes(data)
    await finish(bench, await begin(path=str(root)))
    with (root / "a.jpg").open("r+b") as file:
        file.write(b"overwritten")
    (key,) = await bench.storage.keys_under(f"events/{event.id}/photos")
    assert await bench.storage.get(key) == data


async def test_no_link_leads_out_of_the_folder(bench: Bench, begin: Begin, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "private.jpg").write_bytes(jpeg())
    (root / "in.jpg").write_bytes(jpeg())
    (root / "link.jpg").symlink_to(outside / "private.jpg")
    (root / "linked").symlink_to(outside)
    os.mkfifo(root / "pipe.jpg")
    one = await begin(path=str(root))
    await finish(bench, one)
    assert await told(bench, one) == {"in.jpg": "added"}
    for way in ("linked", "link.jpg", "linked/private.jpg"):
        assert (await finish(bench, await begin(path=str(root / way)))).state is ImportState.FAILED
    assert await photos(bench) == ["in.jpg"]


async def test_a_file_that_becomes_a_link_after_it_was_listed_is_not_followed(
    bench: Bench, begin: Begin, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "private.jpg").write_bytes(jpeg())
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        (root / name).write_bytes(jpeg())
    one = await begin(path=str(root))
    assert await step(bench, one, step_s=0)  # three at a time
    (root / "4.jpg").unlink()
    (root / "4.jpg").symlink_to(tmp_path / "private.jpg")
    await finish(bench, one)
    assert (await told(bench, one))["4.jpg"] == "refused: This file is not there any more, or can’t be read."
    assert await photos(bench) == ["1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.parametrize("wanted", ["/etc", "{root}/../secret", "{root}x", "relative", "", "{root}\0/x"])
def test_paths_outside_of_what_is_allowed_are_refused(wanted: str, root: Path) -> None:
    with pytest.raises(NotAllowed):
        below([root], wanted.format(root=root))
    with pytest.raises(NotAllowed):
        below([], str(root))


async def test_an_import_goes_on_where_it_was_when_its_process_died(bench: Bench, begin: Begin, root: Path) -> None:
    for number in range(7):
        (root / f"{number}.jpg").write_bytes(jpeg())
    one = await begin(path=str(root))
    assert await step(bench, one, step_s=0)
    (root / "0.jpg").unlink()  # what was decided on is not looked at again
    await finish(bench, one)
    assert set((await told(bench, one)).values()) == {"added"} and len(await photos(bench)) == 7


async def test_paused_it_rests_and_cancelled_it_ends_and_keeps_what_came(
    bench: Bench, begin: Begin, root: Path, event: Event
) -> None:
    for number in range(7):
        (root / f"{number}.jpg").write_bytes(jpeg())
    one = await begin(path=str(root))
    assert await step(bench, one, step_s=0)
    async with transaction(bench.sessions) as session:
        await service.pause(session, await service.get(session, event.id, one, by=None))
    assert not await step(bench, one)
    assert len(await photos(bench)) == 3
    async with transaction(bench.sessions) as session:
        await service.resume(session, await service.get(session, event.id, one, by=None))
    assert await step(bench, one, step_s=0)
    async with transaction(bench.sessions) as session:
        await service.end(session, await service.get(session, event.id, one, by=None), ImportState.CANCELLED)
    assert not await step(bench, one)
    assert len(await photos(bench)) == 6
    async with transaction(bench.sessions) as session:
        with pytest.raises(service.Over):
            await service.resume(session, await service.get(session, event.id, one, by=None))


async def test_a_full_event_pauses_the_import_and_room_lets_it_go_on(
    bench: Bench, begin: Begin, root: Path, event: Event
) -> None:
    for number in range(5):
        (root / f"{number}.jpg").write_bytes(jpeg())
    async with transaction(bench.sessions) as session:
        await session.execute(update(Event).values(quota_photos=2))
    one = await begin(path=str(root))
    paused = await finish(bench, one)
    assert paused.state is ImportState.PAUSED and "no more room" in str(paused.reason)
    assert len(await photos(bench)) == 2
    async with transaction(bench.sessions) as session:
        await session.execute(update(Event).values(quota_photos=None))
        await service.resume(session, await service.get(session, event.id, one, by=None))
    assert (await finish(bench, one)).state is ImportState.DONE
    assert len(await photos(bench)) == 5


async def test_it_ends_when_whoever_started_it_may_no_longer(bench: Bench, begin: Begin, root: Path) -> None:
    for number in range(5):
        (root / f"{number}.jpg").write_bytes(jpeg())
    one = await begin(path=str(root))
    assert await step(bench, one, step_s=0)
    async with transaction(bench.sessions) as session:
        await session.execute(update(Staff).values(role=Role.PHOTOGRAPHER))
    ended = await finish(bench, one)
    assert ended.state is ImportState.FAILED and "may not add photos" in str(ended.reason)
    assert len(await photos(bench)) == 3


async def test_an_operator_who_takes_a_folder_back_ends_imports_from_it(bench: Bench, begin: Begin, root: Path) -> None:
    (root / "a.jpg").write_bytes(jpeg())
    one = await begin(path=str(root))
    from dataclasses import replace

    strict = Bench(bench.sessions, bench.storage, bench.vault, replace(bench.rules, roots=()))
    assert (await finish(strict, one)).state is ImportState.FAILED
    assert isinstance(strict.rules, Rules) and await photos(bench) == []


async def test_an_event_has_only_so_many_unfinished_imports(begin: Begin, root: Path) -> None:
    for _ in range(service.AT_ONCE):
        await begin(path=str(root))
    with pytest.raises(service.Busy):
        await begin(path=str(root))


async def test_imports_that_nobody_works_on_are_asked_for_again_once(bench: Bench, begin: Begin, root: Path) -> None:
    from datetime import timedelta

    from trouvaille.core.clock import now
    from trouvaille.imports.models import Import

    await begin(path=str(root))
    async with transaction(bench.sessions) as session:
        assert await service.requeue_forgotten(session) == 0
        await session.execute(update(Import).values(touched_at=now() - timedelta(minutes=3)))
        assert await service.requeue_forgotten(session) == 1
        await session.execute(update(Import).values(touched_at=now() - timedelta(minutes=3)))
        assert await service.requeue_forgotten(session) == 0


def test_errors_of_imports_are_refusals() -> None:
    assert issubclass(NotAllowed, Invalid)
