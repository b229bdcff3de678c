"""Why a selfie was refused, in words that say what to change. The codes are those of the face engine."""

from typing import NamedTuple

from trouvaille.core.errors import N_


class Reason(NamedTuple):
    """What was wrong, and what to do about it; both are keys of the translation catalogue."""

    wrong: str
    advice: str


REASONS = {
    "no_face": Reason(
        N_("We could not see a face."), N_("Look straight at the camera, with your whole face in the picture.")
    ),
    "several_faces": Reason(
        N_("There is more than one person in the picture."), N_("Take it again with you alone in front of the camera.")
    ),
    "too_small": Reason(N_("Your face is too small."), N_("Hold the phone closer, at about half an arm’s length.")),
    "too_blurred": Reason(N_("The picture is blurred."), N_("Hold still for a second, and wipe the lens if need be.")),
    "too_dark": Reason(N_("It is too dark."), N_("Turn towards a window or a lamp.")),
    "not_an_image": Reason(N_("This file is not a picture."), N_("Choose a photo, or use the camera.")),
    "truncated": Reason(N_("The picture arrived incomplete."), N_("Please send it again.")),
    "too_many_pixels": Reason(N_("This picture is too large."), N_("Choose a smaller one, or use the camera.")),
    "unsupported": Reason(N_("We can't read this kind of picture."), N_("Choose a JPEG, or use the camera.")),
    "worker_died": Reason(N_("We could not read this picture."), N_("Please try another one.")),
    "put_off": Reason(
        N_("We have your selfie"),
        N_("We can’t search the photos right now. We go on by ourselves as soon as we can; no need to send it again."),
    ),
    "internal": Reason(N_("Something went wrong on our side."), N_("Please try again in a moment.")),
}


def reason_for(code: str | None) -> Reason | None:
    """The words for a code; an unknown code reads like a fault of ours, which it is."""
    return None if code is None else REASONS.get(code, REASONS["internal"])
