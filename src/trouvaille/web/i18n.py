"""Languages: which one a request wants, its catalogue, and dates, numbers and sizes as that language writes them.

Source texts are English. Catalogues are read from ``.po`` files at start (a few milliseconds), so nothing compiled
has to be kept in step.
"""

from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_datetime, format_interval, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from babel.support import NullTranslations, Translations
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trouvaille.core.errors import N_, Refused

LANGUAGES = {"en": "English", "fr": "Français"}
COOKIE = "language"
FOLDER = Path(__file__).parent / "locale"

KEPT = 4096
"""Numbers and times that are remembered as they are written: the same ones stand on each page of an event, and writing
one takes Babel as long as the rest of a photo's tile."""

_locale: ContextVar[str] = ContextVar("locale", default="en")


@cache
def catalogue(locale: str) -> NullTranslations:
    """The translations into one language; English is the source and needs none."""
    path = FOLDER / locale / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=locale))
    compiled.seek(0)
    return Translations(compiled)


def choose(request: Request) -> str:
    """The language of a request: asked for in the address, chosen before, or the browser's own."""
    for wish in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
        if wish in LANGUAGES:
            return str(wish)
    return _browsers_own(request, list(LANGUAGES)) or "en"


def _browsers_own(request: Request, among: list[str]) -> str | None:
    header = request.headers.get("accept-language", "")
    wanted = [part.split(";")[0].strip().replace("-", "_") for part in header.split(",")[:10]]
    return negotiate_locale([w for w in wanted if w], among)


def settle(request: Request, among: list[str]) -> None:
    """Keep to the languages of what is shown, unless this person chose another one themselves.

    Args:
        among: the languages of an event, the preferred one first.
    """
    chosen = (request.query_params.get("lang"), request.cookies.get(COOKIE))
    if not any(wish in LANGUAGES for wish in chosen):
        use(_browsers_own(request, among) or among[0])


def use(locale: str) -> None:
    """Set the language of the present request."""
    _locale.set(locale)


def current() -> str:
    """The language of the present request."""
    return _locale.get()


YEAR_S = 31_536_000


class Languages:
    """Sets the language of each request, and remembers one that was asked for in the address."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request = Request(scope)
        locale = choose(request)
        use(locale)
        if request.query_params.get("lang") != locale:
            return await self.app(scope, receive, send)

        async def remembered(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{COOKIE}={locale}; Max-Age={YEAR_S}; Path=/; HttpOnly; SameSite=Lax"
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        return await self.app(scope, receive, remembered)


def gettext(message: str) -> str:
    """A message in the present language."""
    return str(catalogue(current()).ugettext(message))


def gettext_in(locale: str, message: str) -> str:
    """A message in a language that is not the viewer's, as on a poster for the guests."""
    return str(catalogue(locale).ugettext(message))


def ngettext(singular: str, plural: str, n: int) -> str:
    """A message that depends on a number, in the present language."""
    return str(catalogue(current()).ungettext(singular, plural, n))


def say(error: Refused) -> str:
    """An error's sentence in the present language, its places filled."""
    return gettext(error.text) % error.params if error.params else gettext(error.text)


def date_in(locale: str, value: date) -> str:
    """24 December 2026, in a language that is not the viewer's."""
    return format_date(value, "long", locale=Locale.parse(locale))


def days(first: date | None, last: date | None, locale: str | None = None) -> str:
    """24 December 2026, or 24 – 26 December 2026; empty without a first day."""
    locale = locale or current()
    if first is None:
        return ""
    if last is None or last == first:
        return date_in(locale, first)
    return format_interval(first, last, "yMMMMd", locale=Locale.parse(locale))


def long_date(value: date | datetime | None) -> str:
    """24 December 2026; empty for None."""
    return "" if value is None else format_date(value, "long", locale=Locale.parse(current()))


def long_datetime(value: datetime | None) -> str:
    """24 Dec 2026, 18:30; empty for None."""
    if value is None:
        return ""
    # One moment in two time zones is equal and written in two ways, so only a clock's own reading can be looked up by.
    return _datetime_in(current(), value) if value.tzinfo is None else _datetime_in.__wrapped__(current(), value)


@lru_cache(maxsize=KEPT)
def _datetime_in(locale: str, value: datetime) -> str:
    return format_datetime(value, "medium", locale=Locale.parse(locale))


def moment(value: datetime, zone: str) -> str:
    """24 Dec 2026, 18:30, as clocks show it in a time zone."""
    local, spoken = value.astimezone(ZoneInfo(zone)), Locale.parse(current())
    return f"{format_date(local, 'medium', locale=spoken)}, {format_time(local, 'short', locale=spoken)}"


def number(value: float) -> str:
    """1,234 or 1 234."""
    return _number_in(current(), value)


@lru_cache(maxsize=KEPT)
def _number_in(locale: str, value: float) -> str:
    return format_decimal(value, locale=Locale.parse(locale))


def dollars(value: Decimal) -> str:
    """$1,234.50 or 1 234,50 $US."""
    return format_currency(value, "USD", locale=Locale.parse(current()))


def month(value: date) -> str:
    """March 2026."""
    return format_date(value, "LLLL y", locale=Locale.parse(current()))


UNITS = (N_("%(n)s B"), N_("%(n)s KB"), N_("%(n)s MB"), N_("%(n)s GB"))


def file_size(size_bytes: int) -> str:
    """A size for people, in decimal units."""
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    shown = number(round(size, 1) if size < 10 and unit else round(size))
    return gettext(UNITS[unit]) % {"n": shown}
