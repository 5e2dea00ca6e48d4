"""The metrics of SGLang's forward passes, as Dynamo's own receiver gets them from the event plane."""

import json
from pathlib import Path

import pytest
from client import FRANCE, Client
from harness.deployment import Deployment, Worker
from harness.engines import installed, sglang
from harness.process import wait_until

pytestmark = pytest.mark.tiny_sglang

TOKENS = 4


def receive(deployment: Deployment, worker: Worker, into: Path) -> None:
    """Has every message written to `into`, until the deployment ends."""
    python = installed("venv.sh", "frontend") / "bin" / "python"
    namespace, component, endpoint = worker.endpoint.split(".")
    receiver = deployment.start(
        "receiver",
        [
            *(python, "-m", "dynamo.common.recv_forward_pass_metrics"),
            *("--namespace", namespace, "--component", component, "--endpoint", endpoint),
            *("--output", into, "--flush-interval", "0.1"),
        ],
        deployment.environment(),
    )
    receiver.await_ready(into.exists, 60, "the receiver to listen")


def test_dynamo_receives_what_each_pass_did(deployment: Deployment, tmp_path: Path) -> None:
    worker = deployment.start_worker(sglang("tiny-llama"), environment={"DYN_FORWARDPASS_METRIC_PORT": "1"})
    worker.await_listed()
    client = Client(deployment.url, worker.model)
    received = tmp_path / "passes.jsonl"
    receive(deployment, worker, received)

    def passes() -> list[dict]:
        return [json.loads(line)["metrics"] for line in received.read_text().splitlines()]

    def of_a_request() -> bool:
        """Publishers are found some time after the receiver has begun to listen."""
        client.chat(FRANCE, max_tokens=TOKENS)
        return any(one["scheduled_requests"]["num_decode_requests"] for one in passes())

    wait_until(of_a_request, 60, "a pass of a request to be received")
    answer = client.completion("A prompt that no cache holds: 3, 1, 4.", max_tokens=TOKENS, ignore_eos=True)
    usage = answer.json()["usage"]
    new = usage["prompt_tokens"] - ((usage["prompt_tokens_details"] or {}).get("cached_tokens") or 0)

    def of_the_answer() -> list[dict]:
        """Its passes, once all are there. Those of the requests before it may still have been on their way."""
        received = passes()
        tokens = [one["scheduled_requests"]["sum_prefill_tokens"] for one in received]
        if new not in tokens:
            return []
        since = received[tokens.index(new) :]
        decoded = sum(one["scheduled_requests"]["num_decode_requests"] for one in since)
        return since if decoded >= TOKENS - 1 else []

    since = wait_until(of_the_answer, 30, f"the passes of an answer with {usage}, {new} tokens of it to be prefilled")
    assert {one["worker_id"] for one in since} == {str(worker.instance_id())}
    assert {one["dp_rank"] for one in since} == {0}
    scheduled = [one["scheduled_requests"] for one in since]
    assert sum(one["num_prefill_requests"] for one in scheduled) == 1
    assert sum(one["sum_prefill_tokens"] for one in scheduled) == new
    assert sum(one["num_decode_requests"] for one in scheduled) == TOKENS - 1
    # None is lost on the way: they are numbered.
    numbers = [one["counter_id"] for one in since]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    worker.process.stop(60)
