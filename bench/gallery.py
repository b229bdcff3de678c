"""`make bench-gallery FACES=DIR [GROUPS=CSV]`: labelled portraits as one event, against plain SFace.

DIR holds one folder a person with pictures. All pictures are the photos of one event, except the first (in name order)
of everyone who has two or more: that one is their selfie. GROUPS names a file with lines ``person,group``; the same
figures are then printed for each group, so that an operator can check fairness on people of their own.
"""

import argparse
import asyncio
import csv
import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench.plain import plain_scores
from bench.real_path import running_event
from bench.scores import scores
from trouvaille import logs

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}


def sort_out(folder: Path) -> tuple[dict[str, Path], dict[str, Path], dict[str, set[str]]]:
    """Photos by a name of their own, selfies by person, and who is in which photo."""
    files: dict[str, Path] = {}
    selfies: dict[str, Path] = {}
    truth: dict[str, set[str]] = {}
    for person in sorted(each for each in folder.iterdir() if each.is_dir()):
        pictures = sorted(path for path in person.iterdir() if path.suffix.lower() in PICTURES)
        if len(pictures) > 1:
            selfies[person.name] = pictures.pop(0)
            truth[person.name] = {f"{person.name}__{path.name}" for path in pictures}
        files.update({f"{person.name}__{path.name}": path for path in pictures})
    return files, selfies, truth


async def run(folder: Path, groups: Path | None) -> dict[str, Any]:
    """The product's figures through the real path, plain SFace's beside them."""
    files, selfies, truth = sort_out(folder)
    async with running_event() as bench:
        started = time.monotonic()
        await bench.add_photos(files)
        await bench.wait()
        await bench.add_guests(selfies)
        await bench.wait()
        asked = await bench.say_which_face()
        await bench.wait()
        found, faces, failed = await bench.found(), await bench.faces(), await bench.failed()
        seconds = time.monotonic() - started
    product = scores(found, truth)
    plain = await asyncio.to_thread(
        plain_scores, files, selfies, truth, strangers_allowed=product["guests_with_a_stranger"]
    )
    result = {
        "photos": len(files),
        "faces_found": faces,
        "failed": failed,
        **product,
        "asked_which_face": asked,
        "plain_sface": plain,
    }
    if groups is not None:
        members: dict[str, set[str]] = defaultdict(set)
        with groups.open(newline="") as file:
            for person, group in csv.reader(file):
                members[group].add(person)
        result["groups"] = {
            group: scores(
                {name: found[name] for name in people if name in found},
                {name: truth[name] for name in people if name in truth},
            )
            for group, people in sorted(members.items())
        }
    return {**result, "seconds": round(seconds, 1)}


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("faces", type=Path)
    cli.add_argument("--groups", type=Path)
    given = cli.parse_args()
    logs.configure("WARNING")
    print(json.dumps(asyncio.run(run(given.faces, given.groups))))
