"""What can go wrong with the service, in the terms of the product's own tree of errors.

Only workers and the command line meet these, so their sentences speak to the operator and are not translated.
"""

from typing import Final

from trouvaille.core.errors import Conflict, Invalid, NotFound, Refused, TooLarge, Unavailable


class Away(Unavailable):
    """The service was throttled for longer than the retries last, failed, or could not be reached: try again later."""

    message = "Amazon Rekognition could not answer."


class Busy(Unavailable):
    """All calls that may run at once were running for too long."""

    message = "Too many calls to Amazon Rekognition are waiting."


class BudgetSpent(Unavailable):
    """This month's ceiling is reached: nothing that costs money is sent before it is raised or the month ends."""

    message = "The monthly ceiling for Amazon Rekognition is reached (TROUVAILLE_REKOGNITION_MONTHLY_CEILING)."


class Misconfigured(Refused):
    """Credentials, rights, region or installation are wrong: trying again does not help."""

    message = "Amazon Rekognition is not set up rightly."


class QuotaReached(Conflict):
    """The account or the collection is full."""

    message = "A quota of this AWS account for Amazon Rekognition is reached."


class Missing(NotFound):
    """The collection, user or face that was named is not there."""

    message = "Amazon Rekognition does not have it."


class PictureRefused(Invalid):
    """The service can't read a picture; ``reason`` is one of the codes that photos fail with."""

    message = "Amazon Rekognition could not read the picture."

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__()


class PictureTooLarge(TooLarge):
    """The caller must send a smaller JPEG."""

    message = "A picture for Amazon Rekognition may have at most 5 MiB."


OPERATORS: Final = (Away, Busy, BudgetSpent, Misconfigured, QuotaReached)
"""Those whose sentence tells an operator what to do."""

THROTTLED: Final = {
    "ThrottlingException",
    "Throttling",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
}
# Two changes of one user met, or the service itself failed.
PASSING: Final = {"InternalServerError", "ServiceUnavailable", "RequestTimeout", "ConflictException"}
NOT_ALLOWED: Final = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
QUOTAS: Final = {"ServiceQuotaExceededException", "LimitExceededException"}
# The reasons are those of ``photos.reasons``.
PICTURES: Final = {"InvalidImageFormatException": "unsupported", "ImageTooLargeException": "too_many_pixels"}


def of_answer(code: str, message: str, status: int) -> Exception | None:
    """The error for an answer of the service; None when it is none that we expect, and so a fault of ours.

    Args:
        code: the exception's name, as in the service's model.
        message: the service's own words; they name resources, never people.
        status: of HTTP.
    """
    if code in PICTURES:
        return PictureRefused(PICTURES[code])
    if code == "ResourceNotFoundException" or (code == "InvalidParameterException" and "not found" in message.lower()):
        # A face that is gone is reported as a wrong parameter by the searches.
        return Missing()
    for codes, kind in ((THROTTLED, Away), (PASSING, Away), (QUOTAS, QuotaReached), (NOT_ALLOWED, Misconfigured)):
        if code in codes:
            return kind(f"{kind.message} {code}: {message}")
    return Away(f"{Away.message} HTTP {status}.") if status >= 500 or status == 429 else None
