"""Counting every attempt before it is sent, and stopping at the month's ceiling.

A call is counted in a transaction of its own, committed before the first byte leaves: a worker that is killed in the
middle of a call has counted it. Retries are attempts of their own. What provably never reached the service is given
back; throttled attempts stay counted, so the bill may be lower than the count, not higher.
"""

from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

from trouvaille.core.db import plain_url
from trouvaille.rekognition.costs import BILLED, NEVER_BLOCKED, Tariff, this_month
from trouvaille.rekognition.errors import BudgetSpent

# Two attempts at the same moment must not both fit under the ceiling when there is room for one.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('rekognition:meter', 0))"
_CALLS = "SELECT operation, calls FROM rekognition_calls WHERE month = %s"
_ADD = """
INSERT INTO rekognition_calls (month, operation, calls) VALUES (%(month)s, %(operation)s, 1)
ON CONFLICT (month, operation) DO UPDATE SET calls = rekognition_calls.calls + 1
"""
_GIVE_BACK = "UPDATE rekognition_calls SET calls = calls - 1 WHERE month = %s AND operation = %s AND calls > 0"


class Meter:
    """The counter that all processes of an instance share. Its verbs may be called from any thread."""

    def __init__(self, url: str, tariff: Tariff, *, connections: int = 2) -> None:
        self._tariff = tariff
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            plain_url(url),
            min_size=0,
            max_size=connections,
            timeout=10,
            open=True,
            check=ConnectionPool.check_connection,
            kwargs={"application_name": "trouvaille rekognition meter", "connect_timeout": 10},
        )

    def close(self) -> None:
        """End the connections."""
        self._pool.close()

    def count(self, operation: str) -> None:
        """Count one attempt that is about to be sent.

        Raises:
            BudgetSpent: it would cost more than is left this month; it was not counted.
        """
        month = this_month()
        with self._pool.connection() as connection:
            if operation in BILLED and operation not in NEVER_BLOCKED:
                connection.execute(_LOCK)
                calls = dict(connection.execute(_CALLS, (month,)).fetchall())
                if not self._tariff.allows(operation, calls):
                    raise BudgetSpent
            connection.execute(_ADD, {"month": month, "operation": operation})

    def give_back(self, operation: str) -> None:
        """Take back an attempt that did not reach the service."""
        with self._pool.connection() as connection:
            connection.execute(_GIVE_BACK, (this_month(), operation))
