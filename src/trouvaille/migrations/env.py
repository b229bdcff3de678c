"""Alembic's entry: migrations run on the connection that ``trouvaille.schema`` hands over."""

from typing import Any

from alembic import context

from trouvaille.schema import METADATA


def keep(name: str | None, kind: str, parents: Any) -> bool:
    """Leave the queue's own tables and the events' partitions out of comparisons."""
    return not (kind == "table" and name is not None and (name.startswith(("procrastinate_", "faces_"))))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    include_name=keep,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
