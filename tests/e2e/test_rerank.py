"""Documents ranked by a real cross encoder through the real frontend."""

from collections.abc import Iterator

import pytest
from client import Client
from harness.deployment import Deployment, Worker
from harness.engines import sglang
from metrics import check, exposition

pytestmark = pytest.mark.tiny_sglang

QUERY = "which document is about the sea?"
DOCUMENTS = ["the sea is wide", "a user asks", "ships sail the sea", "7"]


@pytest.fixture(scope="module")
def host(deployment: Deployment) -> Iterator[Worker]:
    worker = deployment.start_worker(sglang("tiny-cross-encoder", "rerank", ["--context-length", "512"]))
    worker.await_listed()
    yield worker
    worker.process.stop(60)


@pytest.fixture
def ranker(deployment: Deployment, host: Worker) -> Client:
    return Client(deployment.url, host.model)


def rerank(client: Client, **changes: object) -> list[dict]:
    body = {"model": client.model, "query": QUERY, "documents": DOCUMENTS, **changes}
    response = client.post("/v1/rerank", body)
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["results"] if isinstance(answer, dict) else answer


def test_the_best_comes_first(ranker: Client) -> None:
    results = rerank(ranker)
    scores = [result["score"] for result in results]
    assert sorted(scores, reverse=True) == scores and len(set(scores)) > 1
    assert sorted(result["index"] for result in results) == [0, 1, 2, 3]
    assert all(result["document"] == DOCUMENTS[result["index"]] for result in results)


def test_a_score_belongs_to_its_document(ranker: Client) -> None:
    by_index = {result["index"]: result["score"] for result in rerank(ranker)}
    for index, document in enumerate(DOCUMENTS):
        [alone] = rerank(ranker, documents=[document])
        assert alone["score"] == pytest.approx(by_index[index], abs=1e-3)


def test_as_many_as_asked_for_and_without_their_texts(ranker: Client) -> None:
    best = rerank(ranker)[:2]
    results = rerank(ranker, top_n=2, return_documents=False)
    assert [result["index"] for result in results] == [result["index"] for result in best]
    assert not any(result.get("document") for result in results)


@pytest.mark.parametrize("wrong", [{"documents": []}, {"query": " "}, {"top_n": 0}, {"documents": ["a", ""]}])
def test_what_cannot_be_ranked_is_refused(ranker: Client, wrong: dict) -> None:
    body = {"model": ranker.model, "query": QUERY, "documents": DOCUMENTS, **wrong}
    response = ranker.post("/v1/rerank", body)
    assert 400 <= response.status_code < 500, response.text
    assert len(rerank(ranker)) == 4


def test_its_metrics_are_valid(host: Worker) -> None:
    check(exposition(host))
