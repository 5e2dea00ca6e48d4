"""Images through the frontend, made by the procedural stand-in."""

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from client import Client
from harness.deployment import Deployment, Worker
from harness.process import wait_until
from media import Seen, Sources, look_at, served, serving

pytestmark = pytest.mark.procedural

PATH = "/v1/images/generations"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def worker(deployment: Deployment, store: Path) -> Iterator[Worker]:
    # Test servers are on loopback, which clients may not name otherwise.
    with serving(deployment, "image", store, DYN_MM_ALLOW_INTERNAL="1", DYN_MM_MAX_FILE_SIZE_MB="4") as worker:
        yield worker


@pytest.fixture
def client(deployment: Deployment, worker: Worker) -> Client:
    worker.await_listed()
    return Client(deployment.url, worker.model)


def ask(client: Client, prompt: str = "a lake", **members: object) -> httpx.Response:
    steps = {"nvext": {"num_inference_steps": 2, "seed": 7}}
    body = {"model": client.model, "prompt": prompt, "size": "320x256", "response_format": "b64_json", **steps, **members}
    return client.post(PATH, body)


def image_of(response: httpx.Response) -> bytes:
    assert response.status_code == 200, response.text
    [data] = response.json()["data"]
    return base64.b64decode(data["b64_json"], validate=True)


def files(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("*") if path.is_file())


def test_an_image_in_the_answer(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(image_of(ask(client)))
    assert look_at(path) == Seen("png", 320, 256, 1, "25/1")


def test_the_same_seed_makes_the_same_image(client: Client) -> None:
    first = image_of(ask(client))
    assert image_of(ask(client)) == first
    assert image_of(ask(client, nvext={"num_inference_steps": 2, "seed": 8})) != first


def test_a_link_leads_to_the_same_bytes(client: Client, store: Path) -> None:
    before = files(store)
    response = ask(client, response_format="url", user="u1")
    assert response.status_code == 200, response.text
    [data] = response.json()["data"]
    assert not data.get("b64_json")
    assert "/users/u1/generations/" in data["url"]
    downloaded = httpx.get(data["url"]).content
    assert downloaded == image_of(ask(client))
    [made] = set(files(store)) - set(before)
    assert made.read_bytes() == downloaded


def test_an_image_to_begin_with(client: Client) -> None:
    Sources.image = image_of(ask(client, "snow"))
    with served(Sources) as base:
        begun = image_of(ask(client, input_reference=f"{base}/image.png"))
    assert begun != image_of(ask(client))


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"size": "0x0"}, "size"),
        ({"size": "10x"}, "size"),
        ({"size": "99999x99999"}, "size"),
        ({"size": "1x2x3"}, "size"),
        ({"nvext": {"guidance_scale": -1.0}}, "guidance_scale"),
        ({"input_reference": " "}, "input_reference"),
        ({"input_reference": "data:image/png;base64,%%%"}, "input_reference"),
        ({"input_reference": "/etc/passwd"}, "input_reference"),
        ({"input_reference": "file:///etc/passwd"}, "input_reference"),
        ({"input_reference": "ftp://example.com/a.png"}, "input_reference"),
        ({"response_format": "url", "user": "../../up"}, "user"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_named(client: Client, store: Path, members: dict, named: str) -> None:
    before = files(store)
    response = ask(client, **members)
    assert response.status_code == 400, response.text
    assert named in response.text
    assert files(store) == before


@pytest.mark.parametrize(
    ("path", "status"), [("/text.png", 415), ("/nothing.png", 400), ("/inside", 400), ("/endless.png", 413)]
)
def test_a_source_that_is_no_image(client: Client, path: str, status: int) -> None:
    with served(Sources) as base:
        response = ask(client, input_reference=base + path)
    assert response.status_code == status, response.text
    assert "input_reference" in response.text


def test_a_failed_generation_fails_alone(client: Client, worker: Worker) -> None:
    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(ask, client, "a lake [fail at 2]")
        beside = pool.submit(ask, client)
        assert failing.result().status_code == 500
        assert image_of(beside.result())
    assert worker.process.running


def test_an_output_directory_that_cannot_be_written(deployment: Deployment, tmp_path: Path) -> None:
    """Root may write anywhere but below a file."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with serving(deployment, "image", tmp_path / "unused", "--media-output-fs-url", (blocked / "made").as_uri()) as worker:
        client = Client(deployment.url, worker.model)
        assert ask(client, response_format="url").status_code == 500
        assert image_of(ask(client))
    assert os.listdir(tmp_path / "unused") == []


def test_the_engine_dies_and_comes_back(client: Client, worker: Worker) -> None:
    before = worker.engine_process()
    assert before
    response = ask(client, "a lake [die at 2]")
    assert response.status_code >= 500, response.text

    def again() -> bool:
        engine = worker.engine_process()
        return engine is not None and engine.pid != before.pid

    wait_until(again, 60, "another engine")
    worker.await_listed()
    assert image_of(ask(client))
