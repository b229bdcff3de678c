"""Browsers inside other apps are recognised, and people are shown the way to their own."""

from collections.abc import Callable

import pytest

from tests.people import Visitor, another_browser
from trouvaille.web.inside import Inside, inside_of, intent_of

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
PIXEL = (
    "Mozilla/5.0 (Linux; Android 15; Pixel 7{}) AppleWebKit/537.36 (KHTML, like Gecko) "
    "{}Chrome/131.0 Mobile Safari/537.36"
)
INSTAGRAM = f"{IPHONE} Mobile/22B83 Instagram 361.0.0.35.82 (iPhone14,7; iOS 18_1; en_GB; scale=3.00)"


@pytest.mark.parametrize(
    ("user_agent", "inside"),
    [
        (INSTAGRAM, Inside("Instagram", is_android=False)),
        (
            f"{IPHONE} Mobile/22B83 [FBAN/FBIOS;FBAV/490.0.0;FBBV/1;FBDV/iPhone14,7]",
            Inside("Facebook", is_android=False),
        ),
        (f"{IPHONE} Mobile/22B83 WhatsApp/24.23.83", Inside("WhatsApp", is_android=False)),
        (f"{IPHONE} Mobile/22B83", Inside(None, is_android=False)),
        (f"{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1", None),
        (f"{IPHONE} CriOS/131.0 Mobile/15E148 Safari/604.1", None),
        (
            PIXEL.format("; wv", "Version/4.0 ") + " Instagram 361.0.0.46.88 Android",
            Inside("Instagram", is_android=True),
        ),
        (PIXEL.format("; wv", "Version/4.0 "), Inside(None, is_android=True)),
        (PIXEL.format("", ""), None),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", None),
        ("", None),
    ],
)
def test_apps_are_told_from_browsers(user_agent: str, inside: Inside | None) -> None:
    assert inside_of(user_agent) == inside


def test_android_opens_the_link_elsewhere() -> None:
    assert intent_of("https://photos.example.org/e/PARTY234") == (
        "intent://photos.example.org/e/PARTY234#Intent;scheme=https;action=android.intent.action.VIEW;end"
    )


def test_the_page_of_arrival_and_the_selfie_show_the_way_out(owner: Visitor, visitor: Callable[[], Visitor]) -> None:
    site = owner.browser
    for agent, shown, hidden in (
        (INSTAGRAM, "Tap •••", "intent://"),
        (
            PIXEL.format("; wv", "Version/4.0 ") + " Instagram 361 Android",
            "intent://testserver/e/PARTY234#Intent",
            "Tap •••",
        ),
    ):
        guest = Visitor(another_browser(site, headers={"user-agent": agent}))
        page = guest.get("/e/PARTY234").text
        assert "You are inside Instagram" in page
        assert shown in page and hidden not in page
        assert 'value="http://testserver/e/PARTY234"' in page
        guest.register("PARTY234", f"guest{len(shown)}", agree="yes")
        page = guest.get("/e/PARTY234/selfie").text
        # The camera does not come on by itself there; a file does as well.
        assert "You are inside Instagram" in page and "data-begin" not in page
        assert 'capture="user"' in page
    plain = visitor()
    assert "You are inside" not in plain.get("/e/PARTY234").text
    plain.register("PARTY234", "plain", agree="yes")
    assert "data-begin" in plain.get("/e/PARTY234/selfie").text
