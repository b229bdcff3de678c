"""Guests whose data is tested have mail, since letters are kept too."""

from tests.accounts.conftest import post_office, settings
from tests.journeys.conftest import owner

__all__ = ["owner", "post_office", "settings"]
