"""The engine dies while it serves."""

import os
import signal

import pytest
from client import FRANCE, Client, endless, in_parallel
from harness.deployment import Worker
from harness.process import wait_until


@pytest.mark.replaces_worker
def test_clients_are_told_and_the_engine_comes_back(client: Client, worker: Worker) -> None:
    host = worker.process.pid
    engine = worker.engine_process()
    assert engine
    body = {"model": client.model, **endless(1500)}
    streams = in_parallel(6, lambda _: client.stream("/v1/completions", body))
    wait_until(lambda: worker.engine.running_requests(worker.engine_url()) > 2, 60, "requests in the engine")

    os.kill(engine.pid, signal.SIGKILL)

    # The promise is two seconds; the rest is for a machine with two busy cores.
    for call in streams:
        stream = call.result(timeout=10)
        assert stream.error or stream.complete, stream
    worker.await_unlisted()

    worker.await_listed()
    assert worker.process.pid == host and worker.process.running
    again = worker.engine_process()
    assert again and again.pid != engine.pid
    assert client.chat(FRANCE, max_tokens=4).status_code == 200
