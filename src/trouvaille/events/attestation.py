"""What an organiser attests before face finding is switched on. A changed text gets a new version."""

from trouvaille.core.errors import N_

VERSION = "2026-11"
PARAGRAPHS = (
    N_("The guests of this event are told, before or when they arrive, that photos are searched for faces."),
    N_("Guests who register agree separately before they take a selfie, and can withdraw at any time."),
    N_("I am allowed to use face finding for this event under the law that applies to it."),
)
