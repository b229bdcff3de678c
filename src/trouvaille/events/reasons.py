"""Why a cover or logo could not be read, in words for the organiser. The codes are the decoder's and the queue's."""

from trouvaille.core.errors import N_

REASONS = {
    "not_an_image": N_("This file is not a picture that we can read."),
    "truncated": N_("The file is incomplete or damaged. Please export it again."),
    "too_many_pixels": N_("This picture has more pixels than this server accepts."),
    "unsupported": N_("This kind of picture is not supported. Please export it as JPEG."),
    "transparent": N_("There is nothing to be seen in this picture: all of it is transparent."),
    "worker_died": N_("Reading this picture stopped the worker twice. Please choose another one."),
    "internal": N_("Something went wrong on the server while reading this picture. Please send it again."),
}


def reason_for(code: str | None) -> str:
    """The words for a code, as a key of the translation catalogue; an unknown code reads like a fault of ours."""
    return REASONS.get(code or "internal", REASONS["internal"])
