"""Drawing a watermark, and the renditions that carry one. Faces were looked for in the same file without it."""

import html
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import cv2
import numpy as np
import pyvips
from numpy.typing import NDArray

from trouvaille.vision.decode import ENOUGH_SIDE_PX, PIXELS_LIMIT, decode
from trouvaille.vision.renditions import VIEW_SIDE_PX, jpeg, rendition
from trouvaille.vision.shrink import shrunk
from trouvaille.vision.types import Rendition

MARGIN: Final = 0.03
"""Between the mark and the edges, as a share of the photo's shorter side."""
TEXT_HEIGHT, PICTURE_HEIGHT = 0.14, 0.5
"""How high a mark may become, as a share of the photo's height: a short text would otherwise be a banner."""
TILE_ACROSS, TILE_DOWN = 1.4, 3.0
"""From one mark of a pattern to the next: the mark's width and height times this."""
_TRIAL_PX: Final = 64
_LEAST_PX: Final = 6
_FULL_QUALITY: Final = 90
_ALONE: Final = "©"  # For a text of which no font shows anything.
_BROKEN: Final = {"Cc", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is drawn.

    Attributes:
        position: ``top_left``, ``top_right``, ``bottom_left``, ``bottom_right``, ``centre`` or ``tiled``.
        size: the mark's width as a share of the photo's, 0-1.
        opacity: 0-1.
        text: drawn in white with a soft shadow, where there is no picture.
        picture: a PNG, whose transparency counts.
        family: of the text's font; ``fonts`` are the files that have it. Scripts that it lacks come from the system.
    """

    position: str
    size: float
    opacity: float
    text: str = ""
    picture: bytes | None = None
    family: str = "sans"
    fonts: tuple[str, ...] = field(default=())


def renditions(
    data: bytes, stamp: Stamp | None, *, full: bool = False, pixels_limit: int = PIXELS_LIMIT
) -> list[Rendition]:
    """What guests get of a photo: ``view`` and, if asked for, ``full``; thumbnails are never marked.

    The largest that is drawn on is what ``decode`` holds, however many pixels a file declares.

    Args:
        data: the original.
        stamp: None makes what the engine makes.

    Raises:
        Unreadable: with the reason.
    """
    image_rgb = decode(data, pixels_limit=pixels_limit, enough_px=None if full else ENOUGH_SIDE_PX).image_rgb
    made = [rendition("view", stamped(shrunk(image_rgb, VIEW_SIDE_PX), stamp))]
    if full:
        # The largest array that there is: no second one of its size, as nobody needs it without the mark any more.
        whole = _draw(image_rgb if image_rgb.flags.writeable else image_rgb.copy(), stamp)
        made.append(Rendition("full", jpeg(whole, _FULL_QUALITY), width_px=whole.shape[1], height_px=whole.shape[0]))
    return made


def on_view(view_jpeg: bytes, stamp: Stamp | None) -> list[Rendition]:
    """``view`` with a mark, drawn on one that has none: for photos whose original is gone."""
    return [rendition("view", stamped(decode(view_jpeg).image_rgb, stamp))]


def stamped(image_rgb: NDArray[np.uint8], stamp: Stamp | None) -> NDArray[np.uint8]:
    """The same picture with the mark on it; pixels outside the mark stay what they are.

    Args:
        image_rgb: (h, w, 3); it is not changed.
    """
    return image_rgb if stamp is None else _draw(image_rgb.copy(), stamp)


def _draw(marked: NDArray[np.uint8], stamp: Stamp | None) -> NDArray[np.uint8]:
    """Draw on the picture itself."""
    if stamp is None:
        return marked
    layer = _layer(stamp, marked.shape[1], marked.shape[0])
    alpha = layer[:, :, 3:].astype(np.float32) * (stamp.opacity / 255)
    colour = layer[:, :, :3].astype(np.float32) * alpha
    for left, top in _places(stamp.position, marked.shape[1], marked.shape[0], layer.shape[1], layer.shape[0]):
        _blend(marked, colour, 1 - alpha, left, top)
    return marked


def _blend(image_rgb: Any, colour: Any, through: Any, left: int, top: int) -> None:
    """Lay premultiplied colours over a place, of which a part may be outside."""
    height, width = image_rgb.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + colour.shape[1]), min(height, top + colour.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    below = image_rgb[y0:y1, x0:x1].astype(np.float32)
    image_rgb[y0:y1, x0:x1] = np.clip(np.rint(below * through[part] + colour[part]), 0, 255).astype(np.uint8)


def _places(position: str, width: int, height: int, mark_width: int, mark_height: int) -> Iterator[tuple[int, int]]:
    """Left and top of each mark, pixels."""
    margin = round(min(width, height) * MARGIN)
    across, down = width - mark_width, height - mark_height
    if position == "tiled":
        step_x, step_y = max(1, round(mark_width * TILE_ACROSS)), max(1, round(mark_height * TILE_DOWN))
        for row, top in enumerate(range(margin, height, step_y)):
            # Every other row stands between the marks of the one above.
            for left in range(margin - (step_x // 2 if row % 2 else 0), width, step_x):
                yield left, top
        return
    if position == "centre":
        yield across // 2, down // 2
        return
    yield (
        margin if position.endswith("left") else max(0, across - margin),
        margin if position.startswith("top") else max(0, down - margin),
    )


def _layer(stamp: Stamp, width: int, height: int) -> NDArray[np.uint8]:
    """The mark for a photo of this size: (h, w, 4), colours not premultiplied."""
    margin = round(min(width, height) * MARGIN)
    most_wide = max(_LEAST_PX, min(round(width * stamp.size), width - 2 * margin))
    if stamp.picture is not None:
        return _picture(stamp.picture, most_wide, max(_LEAST_PX, round(height * PICTURE_HEIGHT)))
    mask = _text(stamp, most_wide, max(_LEAST_PX, round(height * TEXT_HEIGHT)))
    return _with_shadow(mask)


def _picture(data: bytes, most_wide: int, most_high: int) -> NDArray[np.uint8]:
    image = pyvips.Image.thumbnail_buffer(data, most_wide, height=most_high, size="both").colourspace("srgb")
    if not image.hasalpha():
        image = image.bandjoin(255)
    return np.ascontiguousarray(image.cast("uchar").numpy(), np.uint8)


def _text(stamp: Stamp, most_wide: int, most_high: int) -> NDArray[np.uint8]:
    """The letters as a mask (h, w), in the largest size that fits into both."""
    text = "".join(sign for sign in stamp.text if unicodedata.category(sign) not in _BROKEN).strip()
    trial = _written(text, stamp, _TRIAL_PX)
    if trial is None:
        text, trial = _ALONE, _written(_ALONE, stamp, _TRIAL_PX)
    if trial is None:
        raise RuntimeError("this libvips writes no text")
    scale = min(most_wide / trial.shape[1], most_high / trial.shape[0])
    # Letters are drawn in the size that they are shown in, and what hinting adds to their width is taken back.
    drawn = _written(text, stamp, max(_LEAST_PX, int(_TRIAL_PX * scale)))
    mask = trial if drawn is None else drawn
    fit = min(1.0, most_wide / mask.shape[1], most_high / mask.shape[0])
    if fit < 1:
        size = max(1, int(mask.shape[1] * fit)), max(1, int(mask.shape[0] * fit))
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
    return mask


def _written(text: str, stamp: Stamp, size_px: int) -> NDArray[np.uint8] | None:
    """None where no letter of it can be seen."""
    given = {"font": f"{stamp.family} {size_px}", "dpi": 72}
    try:
        for more in stamp.fonts[1:]:
            pyvips.Image.text(_ALONE, **given, fontfile=more)
        first = {"fontfile": stamp.fonts[0]} if stamp.fonts else {}
        image = pyvips.Image.text(html.escape(text), **given, **first)
    except pyvips.Error:
        return None
    mask = np.asarray(image.numpy(), np.uint8)
    mask = mask.reshape(mask.shape[:2])
    return mask if mask.any() else None


def _with_shadow(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """White letters on a soft dark ground, which are read on snow and at night."""
    pad = max(1, mask.shape[0] // 12)
    letters = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0).astype(np.float32) / 255
    blurred = cv2.GaussianBlur(np.asarray(letters), (0, 0), max(0.6, pad / 2))
    shadow = np.clip(np.asarray(blurred, np.float32) * 1.2, 0, 1) * 0.55
    alpha = letters + shadow * (1 - letters)
    white = np.where(alpha > 0, letters / np.maximum(alpha, 1e-6), 0)
    layer = np.dstack([white, white, white, alpha])
    return np.ascontiguousarray(np.rint(layer * 255), np.uint8)
