"""An engine that breaks the protocol: one request fails, typed, and the next is served."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import Client
from faulty_engine import REQUEST_FAULTS
from harness.deployment import Deployment, Worker
from harness.engines import Engine

pytestmark = pytest.mark.no_engine

FAULTY = f"{sys.executable} {Path(__file__).with_name('faulty_engine.py')}"


def faulty_engine(fault: str = "") -> Engine:
    return Engine(
        name="faulty",
        plugin="llama_cpp",
        model=Path(__file__),  # any file: the double reads none
        program=[Path(sys.executable).name],
        arguments=["--engine-command", f"{FAULTY} {fault}".strip()],
    )


@pytest.fixture(scope="module")
def faulty(deployment: Deployment) -> Iterator[Worker]:
    worker = deployment.start_worker(faulty_engine())
    worker.await_listed()
    yield worker
    worker.process.stop(30)


@pytest.mark.parametrize("fault", REQUEST_FAULTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_fails_alone(deployment: Deployment, faulty: Worker, fault: str, stream: bool) -> None:
    client = Client(deployment.url, faulty.model)
    if stream:
        seen = client.stream_chat(fault)
        assert seen.error, seen
    else:
        assert client.chat(fault).status_code >= 500

    # An error that took the worker out of routing would show here.
    faulty.await_listed()
    after = client.stream_chat("please")
    assert after.complete, after
    assert after.text == "fine"
    assert faulty.process.running
