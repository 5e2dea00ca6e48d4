"""A plugin in an object store on NATS: one push, and every host that serves it rolls over."""

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import Client
from harness.deployment import HOST_BINARY, Deployment, Worker
from harness.engines import llama
from harness.nats import Nats
from harness.process import wait_until
from swap import ONE, TWO, await_version, order, shown, versions

pytestmark = pytest.mark.no_engine

ADDRESS = "nats://plugins/relay"


@pytest.fixture(scope="module")
def nats(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    nats = Nats(deployment, tmp_path_factory.mktemp("nats"))
    yield nats
    nats.process.stop(30)


def push(nats: Nats, plugin: Path, address: str = ADDRESS) -> subprocess.CompletedProcess[str]:
    command = [HOST_BINARY, "plugin", "push", str(plugin), address]
    environment = {**os.environ, **nats.environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def fleet(deployment: Deployment, nats: Nats) -> Iterator[list[Worker]]:
    """Two hosts on one engine."""
    pushed = push(nats, ONE)
    assert pushed.returncode == 0 and "relay 1.0.0" in pushed.stdout, pushed
    engine = dataclasses.replace(llama(), plugin=ADDRESS)
    first = deployment.start_worker(engine, environment=nats.environment)
    first.await_listed()
    attached = dataclasses.replace(engine, arguments=["--engine-url", first.engine_url()])
    second = deployment.start_worker(attached, environment=nats.environment)
    second.await_listed()
    yield [first, second]
    for worker in (second, first):
        worker.process.stop(60)


def test_one_push_rolls_the_fleet_over(deployment: Deployment, nats: Nats, fleet: list[Worker]) -> None:
    pushed = push(nats, TWO)
    assert pushed.returncode == 0, pushed
    for worker in fleet:
        plugin = await_version(worker, "2.0.0")
        assert plugin["source"] == ADDRESS
        stream = Client(deployment.url, worker.model).stream_completion("1, 2,", max_tokens=2)
        assert stream.complete and versions(stream.chunks) == {"2.0.0"}


def test_a_server_that_comes_back_is_heard_again(nats: Nats, fleet: list[Worker]) -> None:
    push(nats, ONE)
    for worker in fleet:
        await_version(worker, "1.0.0")
    nats.process.stop(30)
    status, answer = order(fleet[0], "reload")
    assert status == 500 and "plugins" in answer["message"], answer
    assert shown(fleet[0])["version"] == "1.0.0"
    nats.start()
    assert push(nats, TWO).returncode == 0
    for worker in fleet:
        await_version(worker, "2.0.0", within=180)


def test_what_is_no_plugin_is_not_pushed(nats: Nats, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no program")
    refused = push(nats, text)
    assert refused.returncode != 0 and "notes.txt" in refused.stderr, refused
    refused = push(nats, ONE, "nats://plugins")
    assert refused.returncode != 0 and "nats://BUCKET/NAME" in refused.stderr, refused


def test_a_plugin_that_is_not_there_ends_the_start(deployment: Deployment, nats: Nats) -> None:
    command = [HOST_BINARY, "--plugin", "nats://plugins/none", "--model-path", "/"]
    process = deployment.start("host", command, deployment.environment(nats.environment))
    assert process.wait(60) != 0
    assert "nats://plugins/none" in process.output() and "plugin push" in process.output()


def plugin_command(*words: object) -> None:
    subprocess.run([HOST_BINARY, "plugin", *map(str, words)], timeout=120, check=True)


def signed(plugin: Path, into: Path, key: Path) -> Path:
    copy = Path(shutil.copy(plugin, into))
    plugin_command("sign", copy, "--key", f"{key}.key")
    return copy


def test_what_nobody_we_trust_has_signed_does_not_take_over(
    deployment: Deployment, nats: Nats, fleet: list[Worker], tmp_path: Path
) -> None:
    address = "nats://plugins/signed"
    key = tmp_path / "key"
    plugin_command("keygen", key)
    assert push(nats, signed(ONE, tmp_path, key), address).returncode == 0
    arguments = ["--engine-url", fleet[0].engine_url(), "--plugin-trusted-keys", f"{key}.pub"]
    engine = dataclasses.replace(llama(), plugin=address, arguments=arguments)
    worker = deployment.start_worker(engine, environment=nats.environment)
    worker.await_listed()
    assert shown(worker)["version"] == "1.0.0"

    assert push(nats, TWO, address).returncode == 0
    refusal = wait_until(lambda: shown(worker)["last_refusal"], 120, "the unsigned version to be refused")
    assert "sign" in refusal["reason"], refusal
    assert shown(worker)["version"] == "1.0.0"

    assert push(nats, signed(TWO, tmp_path, key), address).returncode == 0
    await_version(worker, "2.0.0")
    worker.process.stop(60)
