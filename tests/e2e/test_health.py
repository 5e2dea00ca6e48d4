"""The host's system server."""

import pytest
from client import FRANCE, Client
from conftest import CANARY
from harness.deployment import Deployment, Worker
from harness.process import wait_until
from test_faulty_engine import faulty_engine


def test_is_healthy_once_a_canary_came_back(worker: Worker) -> None:
    wait_until(lambda: worker.status("/health")[0] == 200, 120, "/health to be 200")
    assert '"ready"' in worker.status("/health")[1]
    assert worker.status("/live")[0] == 200
    # The canary went through the plugin and made the engine generate.
    assert worker.engine.generated_tokens(worker.engine_url()) > 0


@pytest.mark.no_engine
def test_is_not_healthy_while_the_engine_loads(deployment: Deployment) -> None:
    worker = deployment.start_worker(faulty_engine("--fault never-ready"), environment=CANARY)
    try:
        wait_until(lambda: worker.status("/health")[0], 60, "/health to answer")
        wait_until(worker.descendants, 60, "the engine to be started")
        assert worker.status("/health")[0] == 503
        assert worker.model not in deployment.models()
    finally:
        worker.process.stop(30)


def test_metrics(client: Client, worker: Worker) -> None:
    assert client.chat(FRANCE, max_tokens=2).status_code == 200
    status, text = worker.status("/metrics")
    assert status == 200
    for name in (
        "dynamo_component_requests_total",
        "dynamo_component_request_bytes_total",
        "dynamo_component_response_bytes_total",
        "dynamo_component_inflight_requests",
        "dynamo_component_request_duration_seconds_count",
        "dynamo_component_uptime_seconds",
        "dynamo_work_handler_queue_depth",
    ):
        assert any(line.startswith(name) for line in text.splitlines()), name
    counted = next(line for line in text.splitlines() if line.startswith("dynamo_component_requests_total{"))
    assert 'dynamo_endpoint="generate"' in counted
    assert 'dynamo_component="backend"' in counted
    assert float(counted.rsplit(" ", 1)[1]) >= 1
