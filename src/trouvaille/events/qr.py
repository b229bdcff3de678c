"""QR codes of links, for screens."""

import io

import segno

from trouvaille.core.errors import Invalid


def drawn(link: str, kind: str, *, border: int = 4) -> bytes:
    """A link as a QR code.

    Args:
        kind: ``svg`` or ``png``.
        border: in modules; four are what readers ask for around it.

    Raises:
        Invalid: the link is too long for one.
    """
    try:
        code = segno.make(link, error="m", micro=False)
    except segno.DataOverflowError as error:
        raise Invalid from error
    made = io.BytesIO()
    if kind == "svg":
        code.save(made, kind="svg", scale=8, border=border, light="#fff", xmldecl=False, svgclass=None, lineclass=None)
    else:
        code.save(made, kind="png", scale=20, border=border)
    return made.getvalue()
