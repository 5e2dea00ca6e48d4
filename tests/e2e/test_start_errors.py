"""Starts that cannot work: the host says what is wrong, naming it, and exits."""

import signal
import socket
from pathlib import Path

import pytest
from client import FRANCE, Client
from harness.deployment import HOST_BINARY, Deployment
from harness.engines import llama
from harness.process import Process, free_port
from test_faulty_engine import faulty_engine

pytestmark = pytest.mark.no_engine

# Until the error is there; the host needs far less.
PATIENCE = 60


def start(deployment: Deployment, *arguments: str, **environment: str) -> Process:
    return deployment.start("host", [HOST_BINARY, *arguments], deployment.environment(environment))


def assert_refused(process: Process, *parts: str) -> None:
    assert process.wait(PATIENCE) not in (0, -signal.SIGSEGV, -signal.SIGABRT)
    output = process.output()
    for part in parts:
        assert part in output, output
    assert "panicked" not in output


def test_a_plugin_file_that_is_missing(deployment: Deployment) -> None:
    assert_refused(start(deployment, "--plugin", "/nowhere/none.wasm", "--model-path", "/"), "/nowhere/none.wasm")


def test_a_plugin_name_that_is_unknown(deployment: Deployment) -> None:
    assert_refused(start(deployment, "--plugin", "no_such_plugin", "--model-path", "/"), "no_such_plugin")


@pytest.mark.parametrize(
    "content",
    [b"this is no program\n", b"\0asm\x01\0\0\0"],
    ids=["not-wasm", "core-module"],
)
def test_a_plugin_that_is_no_component(deployment: Deployment, tmp_path: Path, content: bytes) -> None:
    plugin = tmp_path / "odd.wasm"
    plugin.write_bytes(content)
    assert_refused(start(deployment, "--plugin", str(plugin), "--model-path", "/"), "odd.wasm", "component")


def test_a_model_path_that_does_not_exist(deployment: Deployment) -> None:
    process = start(deployment, "--plugin", "llama_cpp", "--model-path", "/nowhere/model.gguf")
    assert_refused(process, "/nowhere/model.gguf")


def test_an_engine_program_that_does_not_exist(deployment: Deployment) -> None:
    process = start(
        deployment, "--plugin", "llama_cpp", "--model-path", __file__, "--engine-command", "no-such-engine"
    )
    assert_refused(process, "no-such-engine")


def test_an_engine_that_exits_early(deployment: Deployment) -> None:
    worker = deployment.start_worker(faulty_engine("--fault exit"))
    # Its last words are in the error.
    assert_refused(worker.process, "the tensors do not fit")


def test_an_engine_that_never_becomes_ready(deployment: Deployment) -> None:
    worker = deployment.start_worker(faulty_engine("--fault never-ready"), ["--engine-start-timeout", "3"])
    assert_refused(worker.process, "ready")


def test_an_engine_that_cannot_answer(deployment: Deployment) -> None:
    # It says it is ready, but the host's own health check does not come through.
    worker = deployment.start_worker(faulty_engine("--fault status-500"))
    assert_refused(worker.process, "health check", "out of luck")


def test_a_system_port_in_use(deployment: Deployment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = str(taken.getsockname()[1])
        worker = deployment.start_worker(faulty_engine(), environment={"DYN_SYSTEM_PORT": port})
        assert_refused(worker.process, port)


def test_no_engine_at_the_url(deployment: Deployment) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    arguments = ["--plugin", "llama_cpp", "--model-path", __file__, "--engine-url", url]
    process = start(deployment, *arguments, "--engine-start-timeout", "3")
    assert_refused(process, url)


def test_attaches_to_an_engine_that_runs(deployment: Deployment) -> None:
    """The one start here that works: with somebody else's engine, which outlives the host."""
    engine = llama()
    port = str(free_port())
    binary = Path(engine.environment["PATH"].split(":")[0]) / "llama-server"
    theirs = deployment.start(
        "llama", [binary, "--model", engine.model, "--port", port], deployment.environment()
    )
    worker = deployment.start_worker(engine, ["--engine-url", f"http://127.0.0.1:{port}"])
    worker.await_listed()
    assert worker.engine_process() is None
    assert "Paris" in Client(deployment.url, worker.model).chat(FRANCE, max_tokens=16, temperature=0).text

    worker.process.signal(signal.SIGTERM)
    assert worker.process.wait(60) == 0
    assert theirs.running
    theirs.stop(10)
