"""The operator's page: what Amazon Rekognition costs, how much is left, and whether it works. Light: no boto3."""

from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from trouvaille.accounts.identity import Administrator
from trouvaille.core.errors import N_, Invalid
from trouvaille.rekognition.costs import BILLED, Tariff, costs, this_month
from trouvaille.web.render import page
from trouvaille.web.site import Session

router = APIRouter(include_in_schema=False)

WORDS: Final = {
    "IndexFaces": N_("Photos and selfies sent"),
    "SearchUsers": N_("Faces of photos searched among the guests"),
    "SearchFaces": N_("Guests searched in the photos"),
    "AssociateFaces": N_("Selfies tied to guests"),
    "DisassociateFaces": N_("Selfies untied again"),
    "CreateCollection": N_("Collections made"),
    "DeleteCollection": N_("Collections deleted"),
    "ListCollections": N_("Lists of collections"),
    "ListFaces": N_("Lists of faces"),
    "DeleteFaces": N_("Faces deleted"),
    "CreateUser": N_("Guests made known"),
    "DeleteUser": N_("Guests deleted"),
    "ListUsers": N_("Lists of guests"),
}
"""What each operation of the service does, as a key of the translation catalogue."""


async def _tariff(request: Request) -> Tariff:
    tariff: Tariff = request.app.state.tariff
    return tariff


async def _month(month: Annotated[str, Query(pattern=r"^(\d{4}-\d{2})?$")] = "") -> date:
    """The month that is asked for as ``2026-03``; the present one unless it is named."""
    try:
        return date.fromisoformat(f"{month}-01") if month else this_month()
    except ValueError as error:
        raise Invalid(field="month") from error


@router.get("/studio/costs")
async def costs_page(
    request: Request,
    session: Session,
    viewer: Administrator,
    tariff: Annotated[Tariff, Depends(_tariff)],
    month: Annotated[date, Depends(_month)],
) -> Response:
    found = await costs(session, tariff, month=month)
    return page(
        request,
        "rekognition/costs.html",
        costs=found,
        words=WORDS,
        billed=BILLED,
        calls=sum(line.calls for line in found.lines),
        share=min(1.0, float(found.dollars / found.ceiling)) if found.ceiling else 1.0,
        is_now=month == this_month(),
        before=f"{month - timedelta(days=1):%Y-%m}",
        after=f"{month + timedelta(days=31):%Y-%m}",
    )
