"""Browsers are called what their owners call them."""

import pytest

from trouvaille.accounts.devices import device_of

CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"


@pytest.mark.parametrize(
    ("user_agent", "browser", "system"),
    [
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/142.0", "Edge", "Windows"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {CHROME} Mobile Safari/537.36", "Chrome", "Android"),
        (f"Mozilla/5.0 (Linux; Android 10; K) SamsungBrowser/28.0 {CHROME}", "Samsung Internet", "Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.5 Safari/605.1.15", "Safari", "Mac"),
        ("Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) CriOS/142.0 Safari/604.1", "Chrome", "iPad"),
        ("curl/8.5.0", None, None),
        ("", None, None),
    ],
)
def test_a_browser_is_called_by_two_plain_words(user_agent: str, browser: str | None, system: str | None) -> None:
    assert device_of(user_agent) == (browser, system)
