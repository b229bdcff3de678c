"""The legal pages: who answers for this server, what it keeps, and on what terms one uses it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from trouvaille.accounts.identity import MaybeViewer
from trouvaille.events.service import KEPT_AFTER_END
from trouvaille.privacy.texts import Texts
from trouvaille.web import i18n
from trouvaille.web.render import page
from trouvaille.web.site import ThisSite

router = APIRouter(include_in_schema=False)


async def _texts(request: Request) -> Texts:
    texts: Texts = request.app.state.legal_texts
    return texts


@router.get("/legal/{name}")
async def legal(
    request: Request,
    viewer: MaybeViewer,
    site: ThisSite,
    texts: Annotated[Texts, Depends(_texts)],
    name: Literal["notice", "privacy", "terms"],
) -> Response:
    own = texts.of(name, i18n.current())
    return page(
        request,
        "privacy/own_text.html" if own else f"privacy/{name}.html",
        name=name,
        own=own,
        legal=site.legal,
        bin_days=site.limits.bin_days,
        kept_days=KEPT_AFTER_END.days,
        contact=site.operator_contact,
        tells_browsers=site.push is not None,
    )


@router.get("/privacy")
async def privacy() -> Response:
    """Where this text used to be, and where printed cards and older letters still lead."""
    return RedirectResponse("/legal/privacy", status_code=308)
