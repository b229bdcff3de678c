"""The sample event from end to end, as anybody can run it, against the truth that was seen in the photos."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trouvaille.demo.party import GUESTS, PHOTOS


@pytest.mark.timeout(240)
def test_the_demo_finds_everybody_and_leaves_nothing_behind(samples: dict[str, Path], scratch: Path) -> None:
    # A place of its own, so that another demo on this machine is not taken for this one.
    place = scratch / "demo"
    place.mkdir(mode=0o711)
    command = [sys.executable, "-m", "trouvaille", "demo", "--once", "--json"]
    environment = {**os.environ, "TMPDIR": str(place)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=200)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["photos"] == len(PHOTOS)
    assert result["failed"] == []
    assert result["faces"] >= 26  # six party photos with 3 + 3 + 3 + 4 + 5 + 4 people, four portraits
    found = {guest["name"]: guest for guest in result["guests"]}
    for guest in GUESTS:
        sure, maybe = set(found[guest.name]["sure"]), set(found[guest.name]["maybe"])
        assert sure <= guest.truth, f"{guest.name} sees a stranger"
        assert guest.truth <= sure | maybe, f"{guest.name} misses a photo"
        assert sure, f"{guest.name} is sure of nothing"
    assert sum(len(found[guest.name]["sure"]) for guest in GUESTS) >= sum(len(guest.truth) for guest in GUESTS) - 1
    assert list(place.glob("trouvaille-demo-*")) == []
    assert _processes_with(str(place)) == []


def _processes_with(text: str) -> list[str]:
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(entry.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [command for command in commands if text in command]
