"""A process of its own that calls the service from several threads.

Arguments: the database, the endpoint, the limit, how many threads, and how many calls.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

from trouvaille.rekognition.client import Collections
from trouvaille.rekognition.costs import Tariff
from trouvaille.rekognition.meter import Meter
from trouvaille.rekognition.slots import Slots


def main() -> None:
    url, endpoint, limit, threads, calls = sys.argv[1:]
    collections = Collections(
        instance=UUID(int=1),
        slots=Slots(url, limit=int(limit)),
        meter=Meter(url, Tariff(Decimal(1), Decimal(50))),
        region="us-east-1",
        endpoint_url=endpoint,
    )
    print("ready", flush=True)  # noqa: T201
    with ThreadPoolExecutor(int(threads)) as pool:
        begun = time.monotonic()
        done = [pool.submit(collections.events) for _ in range(int(calls))]
        for future in done:
            future.result()
        print(f"done {time.monotonic() - begun:.2f}", flush=True)  # noqa: T201
    collections.close()


if __name__ == "__main__":
    main()
