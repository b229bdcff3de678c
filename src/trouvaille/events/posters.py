"""What posters and table cards say, and having them drawn."""

import asyncio
import sys
from urllib.parse import urlparse

from trouvaille.core.errors import N_, Unavailable
from trouvaille.events.links import link_of_code
from trouvaille.events.models import Event, Gallery
from trouvaille.events.themes import ink_on
from trouvaille.web.i18n import days, gettext_in
from trouvaille.web.render import asset

PAPERS = ("a4", "a5", "cards")
PATIENCE_S = 30.0
SCAN = N_("Scan the code with your phone’s camera.")
WITH_FACES = (SCAN, N_("Take one selfie."), N_("Your photos appear, also those still to come."))
WITHOUT_FACES = (SCAN, N_("Make an account for this event."), N_("Look through the photos."))
WITHOUT_ACCOUNT = (SCAN, N_("You need no account."), N_("Look through the photos."))
LEAD = {True: N_("Find your photos"), False: N_("See the photos")}
PRIVACY = {
    True: N_(
        "Your selfie is compared with the photos of this event only. It is kept encrypted, nobody but you can see it,"
        " and it is erased when you say so."
    ),
    False: N_("Nobody’s face is looked for at this event."),
}
AT_AMAZON = N_(
    "A service of Amazon compares your selfie with the photos of this event only. This server keeps it encrypted, shows"
    " it to nobody but you, and erases it when you say so."
)
FONTS = "../node_modules/@fontsource-variable"
FACES = {
    "display": f"{FONTS}/bricolage-grotesque/files/bricolage-grotesque-latin-opsz-normal.woff2",
    "display_more": f"{FONTS}/bricolage-grotesque/files/bricolage-grotesque-latin-ext-opsz-normal.woff2",
    "text": f"{FONTS}/hanken-grotesk/files/hanken-grotesk-latin-wght-normal.woff2",
    "text_more": f"{FONTS}/hanken-grotesk/files/hanken-grotesk-latin-ext-wght-normal.woff2",
}
# One at a time: it takes a core for two seconds.
_turn = asyncio.Lock()


def _steps(event: Event) -> tuple[str, str, str]:
    if event.faces_on:
        return WITH_FACES
    return WITHOUT_ACCOUNT if event.gallery is Gallery.EVERYONE else WITHOUT_FACES


def _words(event: Event, locale: str, address: str, *, at_amazon: bool) -> dict[str, object]:
    def say(text: str) -> str:
        return gettext_in(locale, text)

    facts = [fact for fact in (days(event.starts_on, event.ends_on, locale), event.place) if fact]
    return {
        "locale": locale,
        "name": event.name,
        "facts": " · ".join(facts),
        "lead": say(LEAD[event.faces_on]),
        "steps": [say(step) for step in _steps(event)],
        "by_hand": say(N_("Or type this code at %(host)s:")) % {"host": urlparse(address).netloc},
        "code": event.code,
        "privacy": say(AT_AMAZON if event.faces_on and at_amazon else PRIVACY[event.faces_on]),
    }


def order_of(event: Event, *, paper: str, address: str, at_amazon: bool = False) -> dict[str, object]:
    """What ``sheets`` draws: a page for each of the event's languages.

    Args:
        paper: one of ``PAPERS``.
        address: where this server is reached from outside.
        at_amazon: whether Amazon compares faces, which guests are told.
    """
    return {
        "paper": paper,
        "accent": event.accent,
        "ink": ink_on(event.accent),
        "address": link_of_code(address, event.code),
        "fonts": {role: str(asset(source)) for role, source in FACES.items()},
        "pages": [_words(event, locale, address, at_amazon=at_amazon) for locale in event.locales],
    }


async def draw(order: bytes) -> bytes:
    """Have a PDF drawn by a process of its own, whose memory goes with it.

    Args:
        order: JSON as ``sheets`` reads it.

    Raises:
        Unavailable: it took longer than ``PATIENCE_S``, or failed.
    """
    async with _turn:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "trouvaille.events.sheets",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            pdf, _ = await asyncio.wait_for(process.communicate(order), PATIENCE_S)
        except TimeoutError as error:
            raise Unavailable from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode != 0 or not pdf.startswith(b"%PDF"):
        raise Unavailable
    return pdf
