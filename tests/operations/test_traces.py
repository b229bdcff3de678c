"""Traces arrive at a collector, over the wire, and only where one is set."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.operations.collector import collector
from tests.people import Visitor
from trouvaille.app import create_app
from trouvaille.core import traces
from trouvaille.settings import Settings


def test_without_a_collector_nothing_is_traced(owner: Visitor) -> None:
    assert not traces.enabled()
    assert traces.present() is None
    with traces.span("anything") as span:
        assert span is None


def test_a_trace_leads_from_a_request_to_the_work_of_its_job(
    settings: Settings,
    run_jobs: Callable[[], None],
    samples: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collector() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        with TestClient(create_app(settings), follow_redirects=False) as site:
            owner = Visitor(site)
            owner.set_up_server()
            owner.make_event()
            begin = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            owner.browser.headers["traceparent"] = begin
            owner.upload(samples["sample1.jpg"])
            run_jobs()
            site.get("/e/rosalind@example.org?token=secret")
            traces.close()
    known = {span.span_id: span for span in received.spans}
    mine = [span for span in received.spans if span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"]
    (upload,) = [span for span in mine if span.name == "POST /studio/{event_id}/photos"]
    assert upload.parent_span_id.hex() == "b7ad6b7169203331"
    (job,) = [span for span in mine if span.name == "matching.index_photo"]
    assert known[job.parent_span_id].name == "POST /studio/{event_id}/photos"
    (look,) = [span for span in mine if span.name == "look_at_photo"]
    assert look.parent_span_id == job.span_id
    told = b"".join(received.bodies)
    assert not [word for word in (b"rosalind", b"secret", b"sample1", b"testserver") if word in told]
    assert not traces.enabled()
