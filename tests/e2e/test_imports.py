"""What a plugin may have the host do for it, with test plugins (`tests/guests`) that do nothing else."""

import base64
import dataclasses
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from client import FRANCE, Client
from harness.deployment import TARGET, Deployment, Worker
from harness.engines import REPOSITORY, Engine, llama

pytestmark = pytest.mark.no_engine

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(2000)


@pytest.fixture(scope="session")
def guest() -> Callable[[str], Engine]:
    """A test plugin beside llama.cpp's engine."""
    target = TARGET / "guests"
    build = ["cargo", "build", "--quiet", "--locked", "--package", "guests", "--examples"]
    build += ["--profile", "plugin", "--target", "wasm32-wasip2", "--target-dir", str(target)]
    subprocess.run(build, cwd=REPOSITORY, check=True)

    def engine(name: str) -> Engine:
        plugin = target / "wasm32-wasip2" / "plugin" / "examples" / f"{name}.wasm"
        return dataclasses.replace(llama(), name=name, plugin=str(plugin))

    return engine


@pytest.fixture
def answering(deployment: Deployment) -> Worker:
    """A worker that generates."""
    worker = deployment.start_worker(llama(), endpoint="imports.backend.generate")
    worker.await_listed()
    yield worker
    worker.process.stop(60)


def beside(deployment: Deployment, answering: Worker, engine: Engine, *arguments: str, **environment: str) -> Worker:
    """A worker with a test plugin, in the same namespace and with the same engine."""
    attach = ["--engine-url", answering.engine_url(), *arguments]
    worker = deployment.start_worker(engine, attach, environment, endpoint="imports.guest.generate")
    worker.await_listed()
    return worker


def test_one_workers_plugin_asks_another_worker(
    deployment: Deployment, answering: Worker, guest: Callable[[str], Engine]
) -> None:
    asker = beside(deployment, answering, guest("asks_peers"), "--plugin-grant", "peers")
    chat = {"model": answering.model, "messages": [{"role": "user", "content": FRANCE}]}
    chat |= {"max_tokens": 16, "temperature": 0, "stream": True}
    chunks = asker.ask("generate", {"ask": [answering.endpoint], "body": chat})
    said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    answer = Client(deployment.url, answering.model).chat(FRANCE, max_tokens=16, temperature=0).json()
    assert said == answer["choices"][0]["message"]["content"] and len(chunks) > 3

    with pytest.raises(AssertionError, match="namespace"):
        asker.ask("generate", {"ask": ["elsewhere.backend.generate"]})
    missing = answering.endpoint.replace("backend", "nobody")
    with pytest.raises(AssertionError, match="nobody"):
        asker.ask("generate", {"ask": [missing]})
    asker.process.stop(60)


def test_a_plugin_fetches_and_stores(
    deployment: Deployment, answering: Worker, guest: Callable[[str], Engine], tmp_path: Path
) -> None:
    flags = ["--media-output-fs-url", f"file://{tmp_path}/made", "--media-output-http-url", "https://media.example/"]
    mover = beside(deployment, answering, guest("moves_media"), *flags, "--plugin-grant", "media")
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    assert mover.ask("generate", {"fetch": [url], "store": "users/me/a.png"}) == [{
        "size": len(PNG),
        "content_type": "image/png",
        "second_and_third": list(PNG[1:3]),
        "past_the_end": [],
        "url": "https://media.example/users/me/a.png",
    }]
    assert (tmp_path / "made/users/me/a.png").read_bytes() == PNG

    with pytest.raises(AssertionError, match="not allowed"):
        mover.ask("generate", {"fetch": ["https://169.254.169.254/latest/meta-data"]})
    with pytest.raises(AssertionError, match="base64"):
        mover.ask("generate", {"fetch": ["data:image/png;base64,%%%"]})
    with pytest.raises(AssertionError, match="name"):
        mover.ask("generate", {"fetch": [url], "store": "../outside.png"})
    assert os.listdir(tmp_path) == ["made"]
    mover.process.stop(60)
