"""A diffusion language model in real SGLang, behind the real frontend."""

from collections.abc import Iterator

import pytest
from client import FRANCE, Client
from harness.deployment import Deployment, Worker
from harness.engines import sglang
from metrics import check, exposition

pytestmark = pytest.mark.tiny_sglang


@pytest.fixture(scope="module")
def host(deployment: Deployment) -> Iterator[Worker]:
    engine = sglang("tiny-diffusion", "llm_diffusion", ["--dllm-algorithm", "LowConfidence"])
    worker = deployment.start_worker(engine)
    worker.await_listed()
    yield worker
    worker.process.stop(60)


@pytest.fixture
def client(deployment: Deployment, host: Worker) -> Client:
    return Client(deployment.url, host.model)


def test_tokens_come_by_blocks(client: Client) -> None:
    stream = client.stream_chat(FRANCE, max_tokens=16, temperature=0, ignore_eos=True)
    assert stream.complete, stream
    answer = client.chat(FRANCE, max_tokens=16, temperature=0, ignore_eos=True).json()
    assert answer["choices"][0]["message"]["content"] == stream.text
    assert answer["usage"]["completion_tokens"] == 16


def test_what_it_cannot_do_is_refused(client: Client) -> None:
    refused = client.chat(FRANCE, max_tokens=4, nvext={"max_thinking_tokens": 5})
    assert refused.status_code == 400, refused.text
    assert client.chat(FRANCE, max_tokens=4).status_code == 200


def test_its_metrics_are_valid(host: Worker) -> None:
    check(exposition(host))
