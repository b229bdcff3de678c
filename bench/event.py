"""`make bench-event EVENT=DIR`: an event with known truth through the real path.

DIR holds ``photos/*``, ``selfies/NAME.jpg`` and ``truth.json`` with ``{"guests": {NAME: [photo file names]}}``.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from bench.plain import plain_scores
from bench.real_path import running_event
from bench.scores import scores
from trouvaille import logs


async def run(folder: Path) -> dict[str, Any]:
    """Upload, enrol, wait, and compare with the truth."""
    truth = {name: set(names) for name, names in json.loads((folder / "truth.json").read_text())["guests"].items()}
    files = {path.name: path for path in sorted((folder / "photos").iterdir())}
    selfies = {path.stem: path for path in sorted((folder / "selfies").iterdir()) if path.stem in truth}
    async with running_event() as bench:
        started = time.monotonic()
        await bench.add_photos(files)
        await bench.wait()
        indexed = time.monotonic()
        await bench.add_guests(selfies)
        await bench.wait()
        asked = await bench.say_which_face()
        await bench.wait()
        ended = time.monotonic()
        found, faces, failed = await bench.found(), await bench.faces(), await bench.failed()
    product = scores(found, truth)
    allowed = product["guests_with_a_stranger"]
    return {
        "photos": len(files),
        "faces_found": faces,
        "failed": failed,
        **product,
        "asked_which_face": asked,
        "photos_per_s": round(len(files) / (indexed - started), 2),
        "selfies_per_s": round(len(selfies) / (ended - indexed), 2),
        "plain_sface": await asyncio.to_thread(plain_scores, files, selfies, truth, strangers_allowed=allowed),
        "seconds": round(ended - started, 1),
    }


if __name__ == "__main__":
    logs.configure("WARNING")
    print(json.dumps(asyncio.run(run(Path(sys.argv[1])))))
