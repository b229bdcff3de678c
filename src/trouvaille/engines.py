"""The engines as the settings describe them, for the worker and the command line."""

from concurrent.futures import ThreadPoolExecutor

import structlog

from trouvaille.core.db import Sessions
from trouvaille.matching.by_rekognition import ByRekognition
from trouvaille.matching.by_template import ByTemplate
from trouvaille.matching.calibration import SFACE_TAIL, Tail
from trouvaille.matching.engine import FaceEngine
from trouvaille.rekognition.client import Collections
from trouvaille.rekognition.costs import Tariff
from trouvaille.rekognition.errors import Misconfigured
from trouvaille.rekognition.meter import Meter
from trouvaille.rekognition.service import Rekognition, anything_left, instance_id
from trouvaille.rekognition.slots import Slots
from trouvaille.settings import Engine, Settings
from trouvaille.vision.engine import LocalEngine
from trouvaille.vision.weights import FaceInput, Weights, locate

log = structlog.get_logger()


class NotCalibrated(Exception):
    """Nothing is known of how alike strangers are to another recognition model."""


def weights(settings: Settings) -> Weights:
    """The models of the local engine.

    Raises:
        ModelMissing: no file lies there.
    """
    if settings.recogniser_path is None or settings.recogniser_sha256 is None:
        return locate()
    return locate(
        recogniser_path=settings.recogniser_path,
        recogniser_sha256=settings.recogniser_sha256,
        face_input=FaceInput(
            side_px=settings.recogniser_side_px,
            channels=settings.recogniser_channels,
            mean=settings.recogniser_mean,
            scale=settings.recogniser_scale,
            dimension=settings.recogniser_dimension,
        ),
        population_mean=settings.recogniser_population_mean,
    )


def tail(settings: Settings) -> Tail:
    """How rare similar strangers are to the local engine.

    Raises:
        NotCalibrated: other weights, of which it was not said. Nothing could be promised to guests.
    """
    offset, slope = settings.recogniser_tail_offset, settings.recogniser_tail_slope
    if offset is not None and slope is not None:
        return Tail(offset, slope)
    if settings.recogniser_path is not None:
        raise NotCalibrated(
            "Another recognition model needs TROUVAILLE_RECOGNISER_TAIL_OFFSET and TROUVAILLE_RECOGNISER_TAIL_SLOPE:"
            " `trouvaille calibrate` measures them on portraits of many people."
        )
    return SFACE_TAIL


def local(settings: Settings, *, threads: int) -> LocalEngine:
    """The local engine, loaded.

    Raises:
        ModelMissing, ModelTampered, ModelMisdescribed
    """
    return LocalEngine(weights(settings), threads=threads, pixels_limit=settings.photo_limit_pixels)


def tariff(settings: Settings) -> Tariff:
    """What calls cost and may cost together."""
    return Tariff(per_1000=settings.rekognition_price_per_1000, ceiling=settings.rekognition_monthly_ceiling)


async def rekognition(settings: Settings, sessions: Sessions) -> Rekognition:
    """Amazon Rekognition, ready to be called; nothing was sent yet.

    Raises:
        Misconfigured: boto3 is missing, or no region is known.
    """
    url = settings.database_url or ""
    instance, allowed = await instance_id(sessions), tariff(settings)
    at_once = settings.rekognition_calls_at_once
    slots, meter = Slots(url, limit=at_once), Meter(url, allowed)
    try:
        collections = Collections(
            instance=instance,
            slots=slots,
            meter=meter,
            region=settings.rekognition_region,
            endpoint_url=settings.rekognition_endpoint_url,
            calls_at_once=at_once,
        )
    except BaseException:
        meter.close()
        raise
    return Rekognition(
        collections=collections,
        instance=instance,
        tariff=allowed,
        sure=settings.rekognition_sure / 100,
        maybe=settings.rekognition_maybe / 100,
        threads=ThreadPoolExecutor(at_once, thread_name_prefix="rekognition"),
    )


async def account(settings: Settings, sessions: Sessions) -> Rekognition | None:
    """Amazon Rekognition where it is chosen, or where something of ours still has to be taken out of the account.

    Raises:
        Misconfigured: it is chosen, and boto3 or a region is missing.
    """
    if settings.engine is Engine.REKOGNITION:
        return await rekognition(settings, sessions)
    if not await anything_left(sessions):
        return None
    try:
        return await rekognition(settings, sessions)
    except Misconfigured as error:
        log.warning("what lies in the AWS account stays there", reason=str(error))
        return None


def chosen(settings: Settings, pixels: LocalEngine, account: Rekognition | None) -> FaceEngine:
    """The engine of the settings.

    Args:
        pixels: decodes photos and judges selfies, whichever engine tells faces apart.
    """
    if settings.engine is Engine.REKOGNITION and account is not None:
        return ByRekognition(pixels, account)
    return ByTemplate(pixels, tail(settings))
