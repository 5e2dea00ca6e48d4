"""The host is told to stop, or killed. Runs after the other files: each of these ends its worker."""

import signal
from pathlib import Path

import pytest
from client import Client, endless, in_parallel
from harness.deployment import Worker
from harness.process import wait_until

pytestmark = pytest.mark.replaces_worker

STREAMS = 50


def _received(worker: Worker) -> float:
    lines = worker.status("/metrics")[1].splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("dynamo_component_requests_total{"))


def test_sigterm_lets_fifty_streams_finish(client: Client, worker: Worker) -> None:
    before = _received(worker)
    body = {"model": client.model, **endless(24)}
    streams = in_parallel(STREAMS, lambda _: client.stream("/v1/completions", body))
    wait_until(lambda: _received(worker) - before >= STREAMS, 60, "the host to have all requests")
    family = worker.descendants()
    assert family

    worker.process.signal(signal.SIGTERM)

    worker.await_unlisted()
    results = [call.result(timeout=300) for call in streams]
    assert [stream for stream in results if not stream.complete] == []
    assert worker.process.wait(120) == 0
    wait_until(lambda: not _alive(family), 30, "the engine to be gone")


def test_a_second_signal_ends_it_at_once(client: Client, worker: Worker) -> None:
    family = worker.descendants()
    body = {"model": client.model, **endless(3000)}
    [stream] = in_parallel(1, lambda _: client.stream("/v1/completions", body))
    wait_until(lambda: worker.engine.running_requests(worker.engine_url()) > 0, 60, "the request in the engine")

    worker.process.signal(signal.SIGTERM)
    worker.await_unlisted()
    worker.process.signal(signal.SIGTERM)

    assert worker.process.wait(10) != 0
    assert not stream.result(timeout=30).complete
    wait_until(lambda: not _alive(family), 30, "the engine to be gone")


def test_the_engine_dies_with_its_host(worker: Worker) -> None:
    family = worker.descendants()
    assert worker.engine_process()

    worker.process.signal(signal.SIGKILL)

    assert worker.process.wait(10) == -signal.SIGKILL
    wait_until(lambda: not _alive(family), 30, "the engine to be gone")


def _alive(pids: list[int]) -> list[int]:
    """Those that are more than a zombie, which has no command line any more."""
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]
