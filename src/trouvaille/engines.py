"""The second engine as the settings describe it, for the worker and the command line."""

from concurrent.futures import ThreadPoolExecutor

from trouvaille.core.db import Sessions
from trouvaille.rekognition.client import Collections
from trouvaille.rekognition.costs import Tariff
from trouvaille.rekognition.meter import Meter
from trouvaille.rekognition.service import Rekognition, instance_id
from trouvaille.rekognition.slots import Slots
from trouvaille.settings import Settings


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
