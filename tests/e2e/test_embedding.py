"""Vectors from a real embedding engine through the real frontend."""

import base64
import math
import struct
from collections.abc import Iterator

import pytest
from client import Client
from harness.deployment import Deployment, Worker
from harness.engines import sglang
from metrics import check, exposition

pytestmark = pytest.mark.tiny_sglang


@pytest.fixture(scope="module")
def host(deployment: Deployment) -> Iterator[Worker]:
    worker = deployment.start_worker(sglang("tiny-llama", "embedding"))
    worker.await_listed()
    yield worker
    worker.process.stop(60)


@pytest.fixture
def embedder(deployment: Deployment, host: Worker) -> Client:
    return Client(deployment.url, host.model)


def embed(client: Client, given: object, **options: object) -> list:
    response = client.post("/v1/embeddings", {"model": client.model, "input": given, **options})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["object"] == "list"
    assert answer["usage"]["prompt_tokens"] > 0
    assert [item["index"] for item in answer["data"]] == list(range(len(answer["data"])))
    return [item["embedding"] for item in answer["data"]]


def test_each_text_has_its_vector(embedder: Client) -> None:
    [hello, world] = embed(embedder, ["hello", "world"])
    assert len(hello) == len(world) > 1
    assert hello != world
    assert all(math.isfinite(number) for number in hello)
    [alone] = embed(embedder, "hello")
    assert alone == pytest.approx(hello, abs=1e-4)


def test_token_ids_are_embedded_like_text(embedder: Client) -> None:
    [one, other] = embed(embedder, [[1, 2, 3], [4, 5]])
    assert len(one) == len(other) > 1
    assert embed(embedder, [1, 2, 3])[0] == pytest.approx(one, abs=1e-4)


def test_dimensions_and_base64(embedder: Client) -> None:
    [whole] = embed(embedder, "hello")
    [short] = embed(embedder, "hello", dimensions=4)
    assert short == pytest.approx(whole[:4], abs=1e-4)
    [encoded] = embed(embedder, "hello", encoding_format="base64")
    numbers = struct.unpack(f"<{len(whole)}f", base64.b64decode(encoded))
    assert list(numbers) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("wrong", [{"dimensions": 0}, {"dimensions": 10_000_000}, {"input": ["a", 1]}])
def test_what_cannot_be_embedded_is_refused(embedder: Client, wrong: dict) -> None:
    body = {"model": embedder.model, "input": "hello", **wrong}
    response = embedder.post("/v1/embeddings", body)
    assert 400 <= response.status_code < 500, response.text


def test_what_was_embedded_is_counted(host: Worker, embedder: Client) -> None:
    def counted(name: str) -> tuple[float, float]:
        lines = host.status("/metrics")[1].splitlines()
        mine = [line for line in lines if line.startswith(name) and f'model="{host.model}"' in line]
        value = {part: float(line.rsplit(" ", 1)[1]) for line in mine for part in ("count", "sum") if f"{name}_{part}" in line}
        return value.get("count", 0), value.get("sum", 0)

    before = counted("dynamo_embedding_batch_size"), counted("dynamo_embedding_input_tokens")
    embed(embedder, ["hello", "world"])
    batches, tokens = counted("dynamo_embedding_batch_size"), counted("dynamo_embedding_input_tokens")
    # The canary may ask, too.
    assert batches[0] > before[0][0] and batches[1] >= before[0][1] + 2
    assert tokens[0] == batches[0] and tokens[1] > before[1][1] + 2
    assert 'dynamo_component="backend"' in host.status("/metrics")[1]


def test_a_chat_is_not_for_an_embedder(embedder: Client) -> None:
    assert 400 <= embedder.chat("hello").status_code < 500


def test_its_metrics_are_valid(host: Worker) -> None:
    check(exposition(host))
