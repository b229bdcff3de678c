"""Why a photo could not be read, in words for the photographer. The codes are those of the decoder and the queue."""

from trouvaille.core.errors import N_

REASONS = {
    "not_an_image": N_("This file is not a picture that we can read."),
    "truncated": N_("The file is incomplete or damaged. Please export it again."),
    "too_many_pixels": N_("This picture has more pixels than this server accepts."),
    "unsupported": N_("This kind of picture is not supported. Please export it as JPEG."),
    "no_preview": N_(
        "This RAW file has no preview inside that could be shown. Please export it as JPEG, or with large previews."
    ),
    "worker_died": N_("Reading this file stopped the worker twice. It was set aside; the others go on."),
    "unmarked": N_("The event’s watermark can’t be drawn on this photo, so guests don’t see it. You can try again."),
    "lost": N_("The server has lost this file. Please send it again."),
    "internal": N_("Something went wrong on the server while reading this file. You can try again."),
}


def reason_for(code: str | None) -> str:
    """The words for a code, as a key of the translation catalogue; an unknown code reads like a fault of ours."""
    return REASONS.get(code or "internal", REASONS["internal"])
