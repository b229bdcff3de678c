"""The sample event: which photos it has, who its guests are, and who is in which photo.

The truth was written down by looking at the photos. Each guest of the party takes a selfie that is a crop of one
photo, and is then to be found in the others too. The first president's selfie is a portrait that is not among the
photos. There is only one portrait of the second, so his selfie is its head alone, mirrored as front cameras do.
"""

from dataclasses import dataclass
from pathlib import Path

import pyvips

EVENT_NAME = "Soirée Trouvaille"
PHOTOS = (
    "sample1.jpg",
    "sample2.jpg",
    "sample3.jpg",
    "sample4.jpg",
    "sample5.jpg",
    "sample6.jpg",
    "obama2.jpg",
    "obama3.jpg",
    "32bit.png",
    "biden.jpg",
)


@dataclass(frozen=True, slots=True)
class SampleGuest:
    """A guest of the sample event.

    Attributes:
        selfie: sample file that the selfie is made of.
        crop: left, top, right, bottom as fractions of that file; None takes it whole.
        truth: the photos in which this person can be seen.
    """

    name: str
    username: str
    selfie: str
    crop: tuple[float, float, float, float] | None
    truth: frozenset[str]
    mirrored: bool = False


GUESTS = (
    SampleGuest("Barack", "barack", "obama.jpg", None, frozenset({"obama2.jpg", "obama3.jpg", "32bit.png"})),
    SampleGuest("Joe", "joe", "biden.jpg", (0.28, 0.0, 0.9, 0.36), frozenset({"biden.jpg"}), mirrored=True),
    # The red-haired woman: in uniform on the right of the first photo, in black in the middle of the third.
    SampleGuest("Rose", "rose", "sample1.jpg", (0.68, 0.04, 0.97, 0.46), frozenset({"sample1.jpg", "sample3.jpg"})),
    # The black-haired woman: on the left of the fourth photo, made up in the middle of the first.
    SampleGuest("Inès", "ines", "sample4.jpg", (0.06, 0.04, 0.3, 0.42), frozenset({"sample4.jpg", "sample1.jpg"})),
    # On the left of the sixth photo, and in no other.
    SampleGuest("Maya", "maya", "sample6.jpg", (0.04, 0.22, 0.34, 0.62), frozenset({"sample6.jpg"})),
)


def selfie_jpeg(guest: SampleGuest, samples: dict[str, Path]) -> bytes:
    """A sample guest's selfie as a phone would send it: JPEG, upright, at least 720 px wide."""
    image = pyvips.Image.new_from_file(str(samples[guest.selfie]), access="random").autorot()
    if guest.crop is not None:
        left, top, right, bottom = guest.crop
        image = image.crop(
            int(left * image.width),
            int(top * image.height),
            int((right - left) * image.width),
            int((bottom - top) * image.height),
        )
    if guest.mirrored:
        image = image.fliphor()
    if image.width < 720:
        image = image.resize(720 / image.width)
    data: bytes = image.jpegsave_buffer(Q=92, subsample_mode="on", keep="none")
    return data
