"""The face finder of guests' phones: the server's YuNet in small weights and a script, run here in Node."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from bench.face_hints import HEIGHT, SCORE, WIDTH, beside, detector, look, nobody, portrait
from trouvaille.vision.detect import overlap

ROOT = Path(__file__).parents[2]
PORTRAITS = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg", "32bit.png", "sample1.jpg", "sample4.jpg")


def test_the_weights_are_those_of_the_servers_detector() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "face_finder"))
    assert (ROOT / "frontend" / "parts" / "selfie" / "yunet.bin").read_bytes() == tool["packed"]()


@pytest.mark.parametrize("share", [1.0, 0.6])
def test_it_sees_what_the_server_sees_in_the_same_frame(samples: dict[str, Path], share: float) -> None:
    frames = [portrait(samples[name], share) for name in PORTRAITS]
    server = detector()
    for name, frame, answer in zip(PORTRAITS, frames, look(frames), strict=True):
        theirs = server.search(frame, side_px=HEIGHT, score_limit=SCORE)
        sure = theirs[theirs.scores > SCORE + 0.05]
        ours = np.array(
            [[f["x"], f["y"], f["x"] + f["width"], f["y"] + f["height"]] for f in answer["faces"]], np.float32
        ).reshape(-1, 4)
        assert len(sure) <= len(ours) <= len(theirs) + 1, name
        assert all(overlap(box, ours).max() > 0.8 for box in sure.boxes_xyxy), name


def test_two_people_are_two_and_a_wall_is_nobody(samples: dict[str, Path]) -> None:
    both = beside(samples["obama.jpg"], samples["obama3.jpg"])
    assert both.shape == (HEIGHT, WIDTH, 3)
    answers = look([both, *nobody(3)])
    assert [len(each["faces"]) for each in answers] == [2] + [0] * 9
