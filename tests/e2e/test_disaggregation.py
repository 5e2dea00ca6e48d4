"""A prefill worker and a decode worker, each with an engine of its own, behind the real frontend."""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from client import FRANCE, Client, Stream, endless
from harness.deployment import Deployment, Worker
from harness.engines import Engine, sglang_pair
from harness.process import free_port, wait_until
from metrics import check, exposition

pytestmark = pytest.mark.tiny_sglang

TOKENS = 3000
# Long enough that its prefill takes a while on two cores.
LONG = "The capital of France is " * 120


class Pair:
    def __init__(self, deployment: Deployment) -> None:
        prefill, decode = sglang_pair("tiny-llama")
        self.prefill = deployment.start_worker(prefill, name="pair", endpoint="pair.prefill.generate")
        self.decode = deployment.start_worker(decode, name="pair", endpoint="pair.backend.generate")

    @property
    def workers(self) -> tuple[Worker, Worker]:
        return self.prefill, self.decode

    def await_idle(self) -> None:
        """No request is left in either engine, nor between them."""
        for worker in self.workers:
            url = worker.engine_url()
            wait_until(lambda: worker.engine.held_requests(url) == 0, 60, f"{worker.process.name} to be idle")


@pytest.fixture(scope="module")
def pair(deployment: Deployment, engine: Engine) -> Iterator[Pair]:
    # `engine` only keeps the tests of this module together, and so to one pair.
    del engine
    pair = Pair(deployment)
    pair.decode.await_listed()
    yield pair
    for worker in pair.workers:
        worker.process.stop(60)


@pytest.fixture
def paired(deployment: Deployment, pair: Pair) -> Client:
    pair.decode.await_listed()
    return Client(deployment.url, "pair")


def test_what_two_engines_answer_is_what_one_answers(paired: Client, client: Client) -> None:
    options = {"max_tokens": 16, "temperature": 0, "logprobs": True, "ignore_eos": True}
    both = paired.chat(FRANCE, **options, nvext={"extra_fields": ["worker_id"]})
    alone = client.chat(FRANCE, **options)
    assert both.status_code == 200, both.text
    assert alone.status_code == 200, alone.text
    tokens = [
        [token["bytes"] or token["token"] for token in answer.json()["choices"][0]["logprobs"]["content"]]
        for answer in (both, alone)
    ]
    assert len(tokens[0]) == 16
    assert tokens[0] == tokens[1]
    workers = both.json()["nvext"]["worker_id"]
    assert workers["prefill_worker_id"] != workers["decode_worker_id"]


def test_streams_are_complete(paired: Client) -> None:
    stream = paired.stream_chat(FRANCE, max_tokens=12, temperature=0, ignore_eos=True)
    assert stream.complete, stream
    assert len(stream.chunks) > 2


def test_the_metrics_of_both_are_valid(paired: Client, pair: Pair) -> None:
    assert paired.chat(FRANCE, max_tokens=4).status_code == 200
    for worker in pair.workers:
        check(exposition(worker))


def test_a_client_that_leaves_while_decoding(paired: Client, pair: Pair) -> None:
    def after_three(seen: Stream) -> bool:
        return len(seen.chunks) >= 3

    before = pair.decode.engine.generated_tokens(pair.decode.engine_url())
    seen = paired.stream("/v1/completions", {"model": "pair", **endless(TOKENS)}, leave_when=after_three)
    assert not seen.done
    pair.await_idle()
    assert pair.decode.engine.generated_tokens(pair.decode.engine_url()) - before < TOKENS


@pytest.mark.parametrize("patience", [0.02, 0.1, 0.3])
def test_a_client_that_leaves_during_the_remote_prefill(paired: Client, pair: Pair, patience: float) -> None:
    body = {"model": "pair", "prompt": LONG, "max_tokens": TOKENS, "ignore_eos": True}
    with pytest.raises(httpx.TimeoutException):
        httpx.post(f"{paired.url}/v1/completions", json=body, timeout=patience)
    pair.await_idle()
    assert paired.chat(FRANCE, max_tokens=4).status_code == 200


def test_two_answers_to_one_request_are_refused(paired: Client) -> None:
    refused = paired.chat(FRANCE, max_tokens=4, n=2)
    assert refused.status_code == 400, refused.text


def test_a_request_that_nobody_prefilled_is_refused(pair: Pair, paired: Client) -> None:
    request = {"model": "pair", "token_ids": [1, 40, 41], "stop_conditions": {"max_tokens": 4}}
    with pytest.raises(AssertionError, match="bootstrap_info: missing.*prefill worker"):
        pair.decode.ask("generate", request)
    assert paired.chat(FRANCE, max_tokens=4).status_code == 200


def test_a_client_that_leaves_while_no_prefill_comes(pair: Pair, paired: Client) -> None:
    nowhere = {"bootstrap_host": "127.0.0.1", "bootstrap_port": free_port(), "bootstrap_room": 7}
    request = {"model": "pair", "token_ids": [1, 40, 41], "stop_conditions": {"max_tokens": 4}}
    try:
        pair.decode.ask("generate", {**request, "bootstrap_info": nowhere}, timeout=8)
    except AssertionError as error:
        # The engine may notice by itself that nobody is there.
        assert "Internal" in str(error) or "bootstrap" in str(error), error
    except subprocess.TimeoutExpired:
        pass
    pair.await_idle()
    assert paired.chat(FRANCE, max_tokens=4).status_code == 200


def test_the_prefill_engine_dies_during_a_transfer(paired: Client, pair: Pair) -> None:
    """Its scheduler is stopped first, so that the request waits in both engines when it is killed."""
    killed = pair.prefill.engine_family()
    schedulers = [process.pid for process in killed if "scheduler" in process.argv[0]]
    assert schedulers
    for scheduler in schedulers:
        os.kill(scheduler, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(paired.stream_chat, FRANCE, max_tokens=4)
        url = pair.decode.engine_url()
        wait_until(lambda: pair.decode.engine.held_requests(url), 30, "the decode engine to have it")
        for process in killed:
            os.kill(process.pid, signal.SIGKILL)
        stream = waiting.result(timeout=120)
    # It ends with an error the client can read, or another prefill answered it after all.
    assert stream.complete or stream.error, stream
    pair.decode.await_listed()
    assert pair.decode.process.running
    assert paired.chat(FRANCE, max_tokens=4).status_code == 200
    pair.await_idle()


def test_the_prefill_engine_dies_and_comes_back(paired: Client, pair: Pair) -> None:
    engine = pair.prefill.engine_process()
    assert engine
    os.kill(engine.pid, signal.SIGKILL)
    pair.decode.await_unlisted()
    refused = paired.chat(FRANCE, max_tokens=4)
    assert refused.status_code in (404, 503), refused.text
    pair.decode.await_listed()
    assert paired.chat(FRANCE, max_tokens=4).status_code == 200
    pair.await_idle()
