"""The one place that imports boto3, which is an extra: only when a client is made, so never in a web process."""

from importlib.util import find_spec
from types import TracebackType
from typing import Any

from trouvaille.rekognition import errors
from trouvaille.rekognition.errors import Away, Misconfigured

# Their caller takes them as the answer that it wants.
_AS_THEY_ARE = {("CreateCollection", "ResourceAlreadyExistsException"), ("CreateUser", "ConflictException")}


def check_installed() -> None:
    """Whether boto3 is there, without loading it.

    Raises:
        Misconfigured
    """
    if find_spec("boto3") is None:
        raise Misconfigured("Amazon Rekognition needs boto3: pip install 'trouvaille[rekognition]'")


def make_client(*, region: str | None, endpoint_url: str | None, **config: Any) -> Any:
    """boto3's client; credentials, and the region unless it is given, come from boto3's own chain.

    Raises:
        Misconfigured: boto3 is missing, there is no region, or the address is none.
    """
    check_installed()
    from boto3.session import Session  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    with translated():
        try:
            return Session().client(
                "rekognition", region_name=region, endpoint_url=endpoint_url, config=Config(**config)
            )
        except ValueError as error:
            raise Misconfigured(f"{Misconfigured.message} {error}") from error


class translated:  # noqa: N801 - reads as a verb, like contextlib's
    """Turn boto3's errors into ours on the way out of a block; whatever else is raised passes."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        if error is not None and (ours := _of_boto(error)) is not None:
            raise ours from error


def never_arrived(error: BaseException | None) -> bool:
    """Whether an attempt ended before there was a connection to the service."""
    from botocore import exceptions as boto  # noqa: PLC0415

    return isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError | boto.ProxyConnectionError)


def _of_boto(error: BaseException) -> Exception | None:
    from botocore import exceptions as boto  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    if isinstance(error, boto.ClientError):
        told = error.response.get("Error", {})
        code = told.get("Code", "")
        if (error.operation_name, code) in _AS_THEY_ARE:
            return None
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return errors.of_answer(code, told.get("Message", ""), status)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | ResponseParserError):
        return Away(f"{Away.message} {type(error).__name__}.")
    # A request that does not fit the service's model is a fault of ours, not of the configuration.
    if isinstance(error, boto.BotoCoreError) and not isinstance(error, boto.ParamValidationError):
        return Misconfigured(f"{Misconfigured.message} {error}")
    return None
