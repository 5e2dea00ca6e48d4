"""`/metrics` of the system server: one valid exposition of the engine's, Dynamo's and our numbers."""

import pytest
from client import FRANCE, Client
from harness.deployment import Deployment, Worker
from harness.engines import procedural
from harness.process import wait_until
from metrics import check, exposition, value


ENGINES_OWN = {"llama": "llamacpp:tokens_predicted_total", "sglang": "sglang:generation_tokens_total"}


def test_a_text_workers(client: Client, worker: Worker) -> None:
    before = exposition(worker)
    assert client.chat(FRANCE, max_tokens=8).status_code == 200
    wait_until(
        lambda: value(exposition(worker), "dynamo_host_plugin_calls_total")
        > value(before, "dynamo_host_plugin_calls_total"),
        10, "the calls to be counted",
    )
    text = exposition(worker)
    check(text)
    for name in (
        "dynamo_component_requests_total",
        "dynamo_component_inflight_requests",
        "dynamo_component_request_duration_seconds_count",
        "dynamo_component_uptime_seconds",
        "dynamo_work_handler_queue_depth",
        "dynamo_component_model_load_time_seconds",
        "dynamo_host_engine_load_seconds",
        "dynamo_host_engine_restarts_total",
        "dynamo_host_plugin_compute_seconds_total",
        "dynamo_host_plugin_memory_peak_bytes",
        "dynamo_host_plugin_info",
        "dynamo_host_plugin_instances",
        "dynamo_host_media_bytes",
        "dynamo_host_tasks",
    ):
        value(text, name)
    own = ENGINES_OWN[worker.engine.name.split("-")[0]]
    assert value(text, own) > 0
    [line, *_] = [line for line in text.splitlines() if line.startswith(own)]
    for label in ("dynamo_namespace", "dynamo_component", "dynamo_endpoint", "worker_id", "model", "model_name"):
        assert line.count(f"{label}=") == 1, line


@pytest.mark.procedural
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_media_workers(deployment: Deployment, kind: str) -> None:
    worker = deployment.start_worker(procedural(kind))
    try:
        worker.await_listed()
        check(exposition(worker))
    finally:
        worker.process.stop(30)
