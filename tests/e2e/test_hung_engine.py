"""An engine that hangs is taken out of discovery, and comes back when it goes on."""

import os
import signal

import httpx
import pytest
from client import FRANCE, Client, endless, in_parallel
from harness.deployment import Worker
from harness.process import wait_until
from test_engine_routes import done

# As long as a check may take here, and a little.
FOUND = 180


def _signal(worker: Worker, number: signal.Signals) -> None:
    for process in worker.engine_family():
        os.kill(process.pid, number)


@pytest.fixture
def stopped(client: Client, worker: Worker):
    """A worker whose engine was stopped while a request was in it."""
    body = {"model": client.model, **endless(300)}
    [stream] = in_parallel(1, lambda _: client.stream("/v1/completions", body))
    wait_until(lambda: worker.engine.running_requests(worker.engine_url()) > 0, 60, "a request in the engine")
    _signal(worker, signal.SIGSTOP)
    yield worker
    _signal(worker, signal.SIGCONT)
    stream.result(timeout=120)


def test_it_leaves_and_comes_back(client: Client, stopped: Worker) -> None:
    host = stopped.process.pid
    stopped.await_unlisted(FOUND)
    assert stopped.status("/health")[0] == 503
    state = httpx.get(f"{stopped.system_url}/engine/service", timeout=10).json()
    assert state == {"in_discovery": False, "reasons": ["the engine hangs"]}
    # Somebody asks for the metrics of an engine that does not answer.
    assert "dynamo_host_engine_scrape_failures_total" in stopped.status("/metrics")[1]

    _signal(stopped, signal.SIGCONT)

    stopped.await_listed()
    assert stopped.process.pid == host and stopped.process.running
    wait_until(lambda: stopped.status("/health")[0] == 200, 30, "the worker to be ready")
    assert done(stopped, "service") == {"in_discovery": True, "reasons": []}
    assert client.chat(FRANCE, max_tokens=4).status_code == 200
