"""Trouvaille: every guest of an event finds the photos they are in."""

__version__ = "0.1.0"
