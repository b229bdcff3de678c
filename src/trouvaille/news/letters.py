"""What the news slice writes to people."""

from trouvaille.core.errors import N_
from trouvaille.web.letters import Draft

REMINDER = Draft(
    subject=N_("%(event)s: the photos go after %(day)s"),
    paragraphs=(
        N_("Hello,"),
        N_(
            "%(day)s is the last day of %(event)s. After it guests no longer see the photos, and a week later photos,"
            " accounts and faces are erased for good."
        ),
        N_("Until then you can give the event more time, or take the photos home."),
    ),
    link=(N_("Open the event"), ""),
    after=(N_("You get this letter because the event is yours: 30 days, 7 days and one day before its end."),),
)
INVITATION = Draft(
    subject=N_("The photos of %(event)s"),
    paragraphs=(N_("Hello %(name)s,"), N_("the photos of %(event)s are here, and you are invited to see them.")),
    link=(N_("See the photos"), ""),
    after=(
        N_("The link is yours alone: your name is filled in already. Please don’t pass it on."),
        N_(
            "%(who)s gave us your address for this invitation. It is used for nothing else; if you don’t come, it goes"
            " with the event."
        ),
    ),
)
MESSAGE = Draft(
    subject=N_("%(name)s wrote about %(event)s"),
    paragraphs=(N_("%(name)s writes about %(event)s:"), "%(text)s"),
    link=(N_("Answer"), ""),
    after=(N_("Please answer on that page: a reply to this letter reaches nobody. No address is shown to the other."),),
)
MESSAGE_WAITS = Draft(
    subject=N_("A message about %(event)s waits for you"),
    paragraphs=(N_("Hello,"), N_("a guest of %(event)s wrote to you.")),
    link=(N_("Read the message"), ""),
    after=(N_("Once your address is confirmed, messages come with their words."),),
)
ANSWER = Draft(
    subject=N_("An answer about %(event)s"),
    paragraphs=(
        N_("Hello %(name)s,"),
        N_("the people who run %(event)s answer your message:"),
        "%(answer)s",
        N_("You had written:"),
        "%(text)s",
    ),
    link=(N_("Write again"), ""),
    after=(N_("Please write on that page: a reply to this letter reaches nobody. No address is shown to the other."),),
)


def linked(draft: Draft, address: str) -> Draft:
    """The letter with the address that its button leads to."""
    assert draft.link is not None
    return Draft(draft.subject, draft.paragraphs, (draft.link[0], address), draft.after)


def more_photos(number: int, *, last: bool, link: str, stop_url: str) -> Draft:
    """That there are more photos of a guest.

    No picture comes along: a letter is forwarded, read over shoulders and kept by others, where nobody can take a photo
    back that is hidden or deleted later.

    Args:
        last: they did not come after the letters before, so that this is the last one.
    """
    one = number == 1
    after = [N_("You get this letter because you asked to be found in the photos of %(event)s.")]
    if last:
        after.insert(0, N_("You have not looked in for a while, so this is our last letter until you do."))
    return Draft(
        subject=N_("A new photo of you: %(event)s") if one else N_("%(n)s new photos of you: %(event)s"),
        paragraphs=(
            N_("Hello %(name)s,"),
            N_("there is a new photo of you from %(event)s.")
            if one
            else N_("there are %(n)s new photos of you from %(event)s."),
        ),
        link=(N_("See your photos"), link),
        after=after,
        stop=(N_("No more of these letters"), stop_url),
    )
