"""SGLang's own `/generate` of the real frontend: what the client writes goes to real SGLang, and what
that answers comes back as it is."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from client import PATIENCE
from harness.deployment import Deployment, Worker
from harness.process import free_port, wait_until

pytestmark = pytest.mark.tiny_sglang

PROMPT = [1, 40, 41, 42, 43, 44]


@pytest.fixture
def native(deployment: Deployment, worker: Worker) -> Iterator[str]:
    """The route, at a frontend that sees this worker only: it serves one model."""
    port = free_port()
    frontend = deployment.another_frontend(
        port, "--namespace", worker.namespace, DYN_SGLANG_ENABLE_GENERATE="1"
    )
    url = f"http://127.0.0.1:{port}"
    listed = lambda: httpx.get(f"{url}/v1/models").json()["data"]  # noqa: E731
    wait_until(listed, 60, "the frontend to see the worker")
    yield f"{url}/generate"
    frontend.stop(60)


def body(**more: Any) -> dict[str, Any]:
    return {
        "input_ids": PROMPT,
        "sampling_params": {"max_new_tokens": 8, "temperature": 0, "ignore_eos": True},
        "stream": True,
        **more,
    }


def events(url: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    with httpx.stream("POST", url, json=asked, timeout=PATIENCE) as response:
        assert response.status_code == 200, response.read()
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_the_engines_own_answers_come_back(native: str, worker: Worker) -> None:
    asked = body(rid="my-request", return_logprob=True, top_logprobs_num=2)
    ours = events(native, asked)
    theirs = events(f"{worker.engine_url()}/generate", body(return_logprob=True, top_logprobs_num=2))
    # How many tokens go together in one event depends on what else is going on.
    tokens = lambda events: [token for event in events for token in event["output_ids"]]  # noqa: E731
    assert tokens(ours) == tokens(theirs) and len(tokens(ours)) == 8
    assert all("text" in event for event in ours)
    assert ours[-1]["meta_info"]["finish_reason"] == {"type": "length", "length": 8}
    assert len(ours[-1]["meta_info"]["output_top_logprobs"][-1]) == 2
    # The engine knows it by an id nobody can guess; the client by its own.
    assert {event["meta_info"]["id"] for event in ours} == {"my-request"}


def test_what_sglang_would_not_take_is_refused(native: str, worker: Worker) -> None:
    for wrong in ({"logprob_start_len": "far"}, {"sampling_params": "hot"}):
        response = httpx.post(native, json=body(**wrong), timeout=PATIENCE)
        assert response.status_code == 400, (wrong, response.text)
    # SGLang checks values itself, once it has begun to answer.
    refused = events(f"{native}", body(sampling_params={"top_p": 7}))
    assert "error" in refused[-1], refused
    url = worker.engine_url()
    wait_until(lambda: worker.engine.running_requests(url) == 0, 60, "the engine to be idle")


def test_a_client_that_leaves(native: str, worker: Worker) -> None:
    url = worker.engine_url()
    endless = body(sampling_params={"max_new_tokens": 3000, "temperature": 0, "ignore_eos": True})
    before = worker.engine.generated_tokens(url)
    with httpx.stream("POST", native, json=endless, timeout=PATIENCE) as response:
        next(line for line in response.iter_lines() if line.startswith("data: "))
    wait_until(lambda: worker.engine.running_requests(url) == 0, 60, "the engine to be idle")
    assert worker.engine.generated_tokens(url) - before < 3000
