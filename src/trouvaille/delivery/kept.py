"""What the gallery keeps about a guest."""

from trouvaille.delivery.models import Favourite, Near, Report, Selection, Veil
from trouvaille.guests.kept import Part, of_table
from trouvaille.web.i18n import ngettext

PARTS = (
    Part(
        "favourites",
        frozenset({"favourites"}),
        of_table(Favourite, Favourite.guest_id),
        lambda n: ngettext("%(n)s favourite", "%(n)s favourites", n),
    ),
    Part("chosen_to_take_home", frozenset({"selections"}), of_table(Selection, Selection.guest_id)),
    Part(
        "reports",
        frozenset({"reports"}),
        of_table(Report, Report.guest_id),
        lambda n: ngettext("%(n)s report of a photo", "%(n)s reports of photos", n),
    ),
    Part(
        "near_requests",
        frozenset({"near_requests"}),
        of_table(Near, Near.guest_id),
        lambda n: ngettext("%(n)s request to be looked for", "%(n)s requests to be looked for", n),
    ),
    # They outlive their guest, without a name: whoever was hidden stays hidden. So they are not counted as erased.
    Part("hidden_faces", frozenset({"veils"}), of_table(Veil, Veil.guest_id)),
)
