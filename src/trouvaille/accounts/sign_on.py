"""What a browser carries while its person signs on elsewhere: the question before, and who they are there after.

Both are sealed cookies of minutes. The first ties the answer to this browser; the second lets nothing happen until its
person has confirmed it on a page of ours.
"""

import hmac
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from trouvaille.accounts import identity as cookies
from trouvaille.core.errors import Invalid, NotFound
from trouvaille.core.openid import Identity, OpenId, Question, SignOnFailed
from trouvaille.web.site import site_of

ASKED, PROVED = "trouvaille-sign-on", "trouvaille-identity"
ASKED_S, PROVED_S = 600, 900


@dataclass(frozen=True, slots=True)
class Wish:
    """Why somebody signs on. ``link``: the session that wants the identity; ``invitation``: its token."""

    event: str = ""
    next: str = ""
    link: str = ""
    invitation: str = ""


@dataclass(frozen=True, slots=True)
class Proved:
    """Who somebody is elsewhere, and the one thing that this may be used for.

    Attributes:
        purpose: ``link:``, ``invitation:`` or ``guest:``, and what it is about.
        where: the provider's name.
    """

    identity: Identity
    where: str
    purpose: str

    @property
    def shown(self) -> str:
        """What its owner tells it by."""
        return f"{self.where} · {self.identity.email or self.identity.name or self.identity.subject}"[:254]


def provider_of(request: Request, key: str) -> OpenId:
    """What is spoken with a provider.

    Raises:
        NotFound: no such provider is set.
    """
    found: OpenId | None = request.app.state.sign_on.get(key)
    if found is None:
        raise NotFound
    return found


def ask(request: Request, response: Response, key: str, question: Question, wish: Wish) -> None:
    """Keep a question in the browser until it comes back."""
    content = {"key": key, "question": asdict(question), "wish": asdict(wish)}
    cookies.set_ticket(request, response, ASKED, content, max_age_s=ASKED_S)


def asked(request: Request, key: str, state: str, issuer: str) -> tuple[Question, Wish]:
    """The question to which an answer belongs.

    Args:
        issuer: what the answer says of itself; empty where the provider does not say it.

    Raises:
        SignOnFailed: this browser asked nothing, asked somebody else, or something else.
    """
    content = _opened(request, ASKED, ASKED_S)
    if content is None or content["key"] != key:
        raise SignOnFailed
    question = Question(**content["question"])
    if not hmac.compare_digest(question.state.encode(), state.encode()):
        raise SignOnFailed
    if issuer and issuer != provider_of(request, key).provider.issuer:
        raise SignOnFailed
    return question, Wish(**content["wish"])


def forget_question(request: Request, response: Response) -> None:
    """An answer is taken once."""
    cookies.drop_ticket(request, response, ASKED)


def keep(request: Request, response: Response, proved: Proved) -> None:
    """Remember who came back, until they confirm."""
    content = {"identity": asdict(proved.identity), "where": proved.where, "purpose": proved.purpose}
    cookies.set_ticket(request, response, PROVED, content, max_age_s=PROVED_S)


def proved_for(request: Request, purpose: str) -> Proved | None:
    """Who came back for this purpose; None when nobody did, or it is too long ago."""
    content = _opened(request, PROVED, PROVED_S)
    if content is None or content["purpose"] != purpose:
        return None
    return Proved(Identity(**content["identity"]), content["where"], content["purpose"])


def forget(request: Request, response: Response) -> None:
    """It has been used, or is not wanted."""
    cookies.drop_ticket(request, response, PROVED)


def _opened(request: Request, name: str, max_age_s: int) -> dict[str, Any] | None:
    ticket = request.cookies.get(cookies.cookie_name(request, name))
    try:
        return site_of(request).vault.open_ticket(name, ticket, max_age_s=max_age_s) if ticket else None
    except Invalid:
        return None
