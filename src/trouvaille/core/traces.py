"""Traces by OpenTelemetry, from a request to the jobs that it asked for; nothing at all where no collector is set.

The packages come with the extra ``telemetry``. Spans carry route templates, job names, ids and kinds of errors; never
an error's text, which may quote what somebody typed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

log = structlog.get_logger()
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class _Tracing:
    """The tracer of this process; None while there is no collector."""

    tracer: Any = None
    provider: Any = None


def configure(process: str) -> None:
    """Begin to send traces where the environment names a collector, as OpenTelemetry's own variables do."""
    if not any(os.environ.get(name) for name in ENDPOINTS) or _Tracing.tracer is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning("no traces: install trouvaille[telemetry]")
        return
    service = os.environ.get("OTEL_SERVICE_NAME", "trouvaille")
    provider = TracerProvider(resource=Resource.create({"service.name": service, "process.role": process}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _Tracing.provider, _Tracing.tracer = provider, provider.get_tracer("trouvaille")


def close() -> None:
    """Send what is left, and end."""
    if _Tracing.provider is not None:
        _Tracing.provider.shutdown()
    _Tracing.provider = _Tracing.tracer = None


def enabled() -> bool:
    """Whether spans go anywhere."""
    return _Tracing.tracer is not None


@contextmanager
def span(name: str, *, kind: str = "INTERNAL", parent: str | None = None, **attributes: Any) -> Iterator[Any]:
    """A span around the block, None where there are no traces.

    Args:
        kind: as OpenTelemetry calls it: ``SERVER``, ``CONSUMER`` …
        parent: a ``traceparent`` that came from elsewhere.
    """
    if _Tracing.tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    with _Tracing.tracer.start_as_current_span(
        name,
        context=context,
        kind=SpanKind[kind],
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute("error.type", type(error).__name__)
            made.set_status(Status(StatusCode.ERROR))
            raise


def present() -> str | None:
    """The ``traceparent`` that names the span we are in."""
    if _Tracing.tracer is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
