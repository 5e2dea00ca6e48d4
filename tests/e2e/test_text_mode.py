"""`--use-sglang-tokenizer`: the frontend hands chats through, and real SGLang tokenizes."""

from collections.abc import Iterator

import pytest
from client import FRANCE, SYSTEM, Client, Stream
from harness.deployment import Deployment, Worker
from harness.process import wait_until

pytestmark = pytest.mark.tiny_sglang

GREEDY = {"max_tokens": 16, "temperature": 0}


@pytest.fixture
def text(deployment: Deployment, worker: Worker) -> Iterator[Client]:
    """A second host on the engine of the first."""
    beside = worker.beside("--use-sglang-tokenizer")
    beside.await_listed()
    yield Client(deployment.url, beside.model)
    beside.process.stop(60)


def test_the_engine_tokenizes_as_the_frontend_does(text: Client, client: Client) -> None:
    for options in (GREEDY, {**GREEDY, "stop": ["e"]}, {**GREEDY, "logit_bias": None}):
        ours, theirs = text.chat(FRANCE, **options), client.chat(FRANCE, **options)
        assert ours.status_code == theirs.status_code == 200, ours.text + theirs.text
        [ours], [theirs] = ours.json()["choices"], theirs.json()["choices"]
        assert ours["message"]["content"] == theirs["message"]["content"]
        assert ours["finish_reason"] == theirs["finish_reason"]


def test_streams_are_complete(text: Client) -> None:
    stream = text.stream_chat(FRANCE, **GREEDY)
    assert stream.complete, stream
    assert len(stream.chunks) > 2
    assert stream.text == text.chat(FRANCE, **GREEDY).json()["choices"][0]["message"]["content"]


def test_it_serves_chats_only_and_says_what_is_wrong(text: Client, worker: Worker) -> None:
    assert text.completion("1, 2, 3", max_tokens=4).status_code in (400, 404)
    for wrong in ({"temperature": -1}, {"max_tokens": -5}, {"top_p": 7}):
        refused = text.chat(FRANCE, **wrong)
        assert refused.status_code == 400, (wrong, refused.text)
    body = {"model": text.model, "messages": [SYSTEM], "max_tokens": 4}
    assert text.post("/v1/chat/completions", body).status_code == 200
    url = worker.engine_url()
    wait_until(lambda: worker.engine.running_requests(url) == 0, 60, "the engine to be idle")


def test_a_client_that_leaves(text: Client, worker: Worker) -> None:
    def after_three(seen: Stream) -> bool:
        return len(seen.chunks) >= 3

    url = worker.engine_url()
    before = worker.engine.generated_tokens(url)
    messages = [{"role": "user", "content": FRANCE}]
    endless = {"model": text.model, "messages": messages, "max_tokens": 3000, "ignore_eos": True}
    seen = text.stream("/v1/chat/completions", endless, leave_when=after_three)
    assert not seen.done
    wait_until(lambda: worker.engine.running_requests(url) == 0, 60, "the engine to be idle")
    assert worker.engine.generated_tokens(url) - before < 3000
