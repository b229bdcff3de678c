"""Browsers inside other apps. They often keep the camera from a page and forget who was signed in, so people are shown
the way to their own browser."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request

# Order matters: Instagram's browser is Facebook's, and names both.
APPS: Final = (
    ("Instagram", "Instagram"),
    ("WhatsApp", "WhatsApp"),
    ("MessengerForiOS", "Messenger"),
    ("Orca-Android", "Messenger"),
    ("FBAN/", "Facebook"),
    ("FBAV/", "Facebook"),
    ("FB_IAB/", "Facebook"),
    ("musical_ly", "TikTok"),
    ("BytedanceWebview", "TikTok"),
    ("TikTok", "TikTok"),
    ("Snapchat", "Snapchat"),
    ("LinkedInApp", "LinkedIn"),
    ("Pinterest/", "Pinterest"),
    ("Twitter for", "X"),
    ("Telegram", "Telegram"),
    (" Line/", "LINE"),
    ("MicroMessenger", "WeChat"),
)
_ANDROID_VIEW: Final = re.compile(r"Android.*; wv\)")
# A browser on an iPhone says Safari, or its own name in Safari's place; what an app shows of the web says neither.
_IOS_VIEW: Final = re.compile(r"\((?:iPhone|iPad|iPod).*AppleWebKit/(?!.*Safari/)")


@dataclass(frozen=True, slots=True)
class Inside:
    """In which app a page is looked at; ``app`` is None where that is not known."""

    app: str | None
    is_android: bool


def inside_of(user_agent: str) -> Inside | None:
    """Read a ``User-Agent`` header; None in a browser of its own."""
    app = next((name for sign, name in APPS if sign in user_agent), None)
    if app is None and not _ANDROID_VIEW.search(user_agent) and not _IOS_VIEW.search(user_agent):
        return None
    return Inside(app, is_android="Android" in user_agent)


def inside(request: Request) -> Inside | None:
    """In which app whoever sends this request looks at it."""
    return inside_of(request.headers.get("user-agent", ""))


def intent_of(link: str) -> str:
    """An address at which Android opens a link in the phone's own browser."""
    parts = urlsplit(link)
    return f"intent://{parts.netloc}{parts.path}#Intent;scheme={parts.scheme};action=android.intent.action.VIEW;end"
