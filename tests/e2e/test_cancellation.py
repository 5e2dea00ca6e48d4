"""A client that leaves stops its request in the engine."""

from client import FRANCE, Client, Stream, endless
from harness.deployment import Worker
from harness.process import wait_until

TOKENS = 3000


def _after_three(seen: Stream) -> bool:
    return len(seen.chunks) >= 3


def _assert_stopped(worker: Worker, before: int) -> None:
    url = worker.engine_url()
    wait_until(lambda: worker.engine.running_requests(url) == 0, 60, "the engine to be idle")
    # Had it gone on, it would have counted them all.
    assert worker.engine.generated_tokens(url) - before < TOKENS


def test_a_client_that_leaves_a_stream(client: Client, worker: Worker) -> None:
    before = worker.engine.generated_tokens(worker.engine_url())
    body = {"model": client.model, **endless(TOKENS)}
    seen = client.stream("/v1/completions", body, leave_when=_after_three)
    assert seen.error is None
    assert not seen.done
    _assert_stopped(worker, before)


def test_the_next_request_is_served(client: Client, worker: Worker) -> None:
    body = {"model": client.model, **endless(TOKENS)}
    client.stream("/v1/completions", body, leave_when=_after_three)
    assert client.stream_chat(FRANCE, max_tokens=4).complete
    wait_until(
        lambda: worker.engine.running_requests(worker.engine_url()) == 0, 60, "the engine to be idle"
    )
