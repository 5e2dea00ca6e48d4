"""One trace for a request, from the client through frontend, worker and plugin to the engine.

Frontend, host, plugin and llama.cpp are the real ones, and so is the protocol by which they export.
"""

import dataclasses
import secrets
from collections.abc import Iterator

import httpx
import pytest
from client import PATIENCE
from collector import Collector, Span
from harness.deployment import Deployment, Worker
from harness.engines import llama
from harness.process import free_port, wait_until
from wiretap import Wiretap

pytestmark = pytest.mark.no_engine

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def wiretap(deployment: Deployment) -> Iterator[Wiretap]:
    """In front of an engine that runs by itself."""
    engine, port = llama(), free_port()
    flags = ["--model", engine.model, "--host", "127.0.0.1", "--port", port, "--no-ui", "--offline", "--ctx-size", "512"]
    process = deployment.start("llama-server", ["llama-server", *flags], deployment.environment(engine.environment))
    with Wiretap(f"http://127.0.0.1:{port}") as wiretap:
        yield wiretap
    process.stop(30)


@pytest.fixture(scope="module")
def worker(deployment: Deployment, collector: Collector, wiretap: Wiretap) -> Iterator[Worker]:
    engine = dataclasses.replace(llama(), arguments=["--engine-url", wiretap.url])
    # Few lines in the log are no reason for few spans.
    worker = deployment.start_worker(engine, environment={"DYN_LOG": "warn", **collector.environment("worker")})
    worker.await_listed()
    yield worker
    worker.process.stop(30)


@pytest.fixture(scope="module")
def url(deployment: Deployment, collector: Collector, worker: Worker) -> Iterator[str]:
    """Of a frontend that exports, too."""
    port = free_port()
    frontend = deployment.another_frontend(port, **collector.environment("frontend"))
    models = f"http://127.0.0.1:{port}/v1/models"
    wait_until(lambda: worker.model in httpx.get(models).text, 30, "the model at the frontend")
    yield f"http://127.0.0.1:{port}"
    frontend.stop(30)


class Asked:
    """A request with a trace of its own."""

    def __init__(self, url: str, model: str, flags: str = "01", path: str = COMPLETIONS, **options: object) -> None:
        self.trace, self.span = secrets.token_hex(16), secrets.token_hex(8)
        prompt = {"prompt": "1, 2, 3, 4,"} if path == COMPLETIONS else {}
        body = {"model": model, "max_tokens": 24, **prompt, **options}
        headers = {"traceparent": f"00-{self.trace}-{self.span}-{flags}"}
        self.answer = httpx.post(url + path, json=body, headers=headers, timeout=PATIENCE)

    def spans(self, collector: Collector, *wanted: str) -> dict[str, Span]:
        """The spans of the trace by their names, once those wanted have come."""

        def arrived() -> dict[str, Span] | None:
            spans = {span.name: span for span in collector.trace(self.trace)}
            return spans if spans.keys() >= set(wanted) else None

        try:
            return wait_until(arrived, 30, "the spans")
        finally:
            names = sorted(f"{span.service}: {span.name}" for span in collector.trace(self.trace))
            print(f"spans of the trace: {names}")

    def engine_saw(self, wiretap: Wiretap) -> list[dict[str, str]]:
        calls = wiretap.asked(COMPLETIONS)
        return [headers for headers in calls if self.trace in headers.get("traceparent", "")]


REQUEST = ("http-request", "handle_payload", "plugin.plan")


def above(span: Span, collector: Collector) -> list[str]:
    """The span's ancestors, the nearest first."""
    by_id = {one.id: one for one in collector.trace(span.trace)}
    ancestors = []
    while span.parent in by_id:
        span = by_id[span.parent]
        ancestors.append(f"{span.service}: {span.name}")
    return ancestors


def test_one_trace_from_the_client_to_the_engine(url: str, worker: Worker, collector: Collector, wiretap: Wiretap) -> None:
    asked = Asked(url, worker.model, stream=True)
    assert asked.answer.status_code == 200 and asked.answer.text.endswith("[DONE]\n\n"), asked.answer.text

    spans = asked.spans(collector, *REQUEST, "engine.call")
    assert spans["http-request"].service == "frontend"
    assert spans["http-request"].parent == asked.span
    payload, plan, call = (spans[name] for name in ("handle_payload", "plugin.plan", "engine.call"))
    assert {payload.service, plan.service, call.service} == {"worker"}
    assert "frontend: http-request" in above(payload, collector)
    assert plan.parent == call.parent == payload.id

    assert plan.attributes["plugin"] == "llama_cpp" and plan.attributes["plugin.version"]
    assert call.attributes["http.request.method"] == "POST"
    assert call.attributes["url.path"] == COMPLETIONS
    assert call.attributes["http.response.status_code"] == 200
    assert call.wire.kind == call.wire.SPAN_KIND_CLIENT
    assert not any(span.failed for span in (payload, plan, call))
    # The call lasts to the end of the answer, not to its beginning.
    assert plan.wire.end_time_unix_nano <= call.wire.start_time_unix_nano
    assert wiretap.said(b"[DONE]") <= call.wire.end_time_unix_nano <= payload.wire.end_time_unix_nano

    [headers] = asked.engine_saw(wiretap)
    assert headers["traceparent"] == f"00-{asked.trace}-{payload.id}-01"


def test_what_the_engine_refuses_is_marked(url: str, worker: Worker, collector: Collector) -> None:
    asked = Asked(url, worker.model, prompt="too long " * 1000)
    assert asked.answer.status_code == 400, asked.answer.text
    spans = asked.spans(collector, *REQUEST, "engine.call")
    assert spans["engine.call"].failed and not spans["plugin.plan"].failed
    assert spans["engine.call"].attributes["http.response.status_code"] == 400


def test_what_the_plugin_refuses_is_marked(url: str, worker: Worker, collector: Collector) -> None:
    picture = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/none.png"}}
    asked = Asked(url, worker.model, path=CHAT, messages=[{"role": "user", "content": [picture]}])
    assert asked.answer.status_code == 400, asked.answer.text
    spans = asked.spans(collector, *REQUEST)
    assert "engine.call" not in spans
    assert spans["plugin.plan"].failed
    assert "image_url" in spans["plugin.plan"].wire.status.message


def test_a_trace_that_is_not_sampled_is_not_recorded(url: str, worker: Worker, collector: Collector, wiretap: Wiretap) -> None:
    unsampled = Asked(url, worker.model, flags="00")
    assert unsampled.answer.status_code == 200
    Asked(url, worker.model).spans(collector, *REQUEST, "engine.call")
    assert collector.trace(unsampled.trace) == []
    [headers] = unsampled.engine_saw(wiretap)
    assert headers["traceparent"].endswith("-00")


def test_a_request_without_a_trace_gets_one(url: str, worker: Worker, collector: Collector, wiretap: Wiretap) -> None:
    before = wiretap.asked(COMPLETIONS)
    body = {"model": worker.model, "prompt": "1, 2,", "max_tokens": 2}
    assert httpx.post(url + COMPLETIONS, json=body, timeout=PATIENCE).status_code == 200
    [headers] = [headers for headers in wiretap.asked(COMPLETIONS) if headers not in before]
    trace = headers["traceparent"].split("-")[1]
    wait_until(
        lambda: {span.service for span in collector.trace(trace)} == {"frontend", "worker"}, 30, "spans of both"
    )
