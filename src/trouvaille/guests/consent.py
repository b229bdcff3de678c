"""What guests agree to before any selfie. A changed text gets a new version; the ledger keeps which was shown."""

from trouvaille.core.errors import N_

VERSION = "2026-11"
PARAGRAPHS = (
    N_("From your selfie we compute a short list of numbers that describes your face (a template)."),
    N_("It is compared with the faces in the photos of this event only, on this server only, to show you your photos."),
    N_("Your selfie is kept encrypted and nobody else can see it."),
    N_(
        "You can withdraw at any time under “Me”: your selfie, your template and your matches are then erased at once. "
        "Everything is erased with the event at the latest."
    ),
)
