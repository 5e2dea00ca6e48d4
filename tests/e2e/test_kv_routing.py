"""The frontend's KV router over two workers, by what their engines say of their caches.

Prints the hit rates (`make test-kv-routing`): of the tokens of all prompts, the part that was in the cache
of the engine that got them, by the engines' own account.
"""

import json
import random
import re
import urllib.request
from collections.abc import Iterator

import pytest
from client import Client
from harness.deployment import Deployment, Worker
from harness.engines import Engine, sglang
from harness.process import free_port, wait_until

pytestmark = pytest.mark.kv_routing

MODEL = "kv"
EVENTS = ["--kv-events-config", "auto"]
# Some 40 blocks of 16 tokens in the tiny model's tokenizer.
LONG = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 8
CONVERSATIONS = 20
TURNS = 5


class Fleet:
    """Two workers behind two frontends: one that routes by KV caches, one that takes turns."""

    def __init__(self, deployment: Deployment) -> None:
        self.workers = [
            deployment.start_worker(sglang("tiny-llama"), EVENTS, name=MODEL, endpoint="kv.backend.generate")
            for _ in range(2)
        ]
        for worker in self.workers:
            worker.process.await_ready(
                lambda: worker.status("/health")[0] == 200, worker.engine.patience, "a worker to be ready"
            )
        self.routed = self._frontend(deployment, "--router-mode", "kv")
        self.in_turn = self._frontend(deployment, "--router-mode", "round-robin")

    @staticmethod
    def _frontend(deployment: Deployment, *arguments: str) -> Client:
        port = free_port()
        deployment.another_frontend(port, *arguments)
        client = Client(f"http://127.0.0.1:{port}", MODEL)
        wait_until(lambda: client.completion("a", max_tokens=1).status_code == 200, 60, "the model to be listed")
        return client

    def flush(self) -> None:
        """Empties the engines' caches, and waits until the relays have said so."""
        for worker in self.workers:
            assert worker_flushed(worker)

    def stop(self) -> None:
        for worker in self.workers:
            worker.process.stop(60)


def worker_flushed(worker: Worker) -> bool:
    def flushed() -> bool:
        try:
            with urllib.request.urlopen(f"{worker.engine_url()}/flush_cache", timeout=30) as reply:
                return reply.status == 200
        except OSError:
            return False

    wait_until(flushed, 30, "the engine to be idle")
    wait_until(lambda: number(worker, "dynamo_host_kv_blocks") == 0, 30, "the relay to hear of it")
    return True


def number(worker: Worker, name: str) -> float:
    """The sum over a family of the host's metrics."""
    return total(worker.status("/metrics")[1], name)


def total(text: str, name: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))


def router_hits(client: Client) -> tuple[float, float]:
    """Requests the router has placed, and the sum of what part of each it expected in the cache."""
    with urllib.request.urlopen(f"{client.url}/metrics", timeout=10) as reply:
        text = reply.read().decode()
    name = "dynamo_component_router_kv_hit_rate"
    return total(text, f"{name}_count"), total(text, f"{name}_sum")


def ask(client: Client, prompt: str, **options: object) -> tuple[int, int, int, str]:
    """Tokens of the prompt, those that were cached, who answered, and what."""
    options = {"max_tokens": 8, "temperature": 0, "ignore_eos": True, **options}
    answer = client.completion(prompt, nvext={"extra_fields": ["worker_id"]}, **options)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    usage = body["usage"]
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    who = body["nvext"]["worker_id"]
    who = who.get("decode_worker_id", who) if isinstance(who, dict) else who
    return usage["prompt_tokens"], cached, who, body["choices"][0]["text"]


@pytest.fixture(scope="module")
def fleet(deployment: Deployment, engine: Engine) -> Iterator[Fleet]:
    # `engine` only keeps the tests of this module together, and so to one fleet.
    del engine
    fleet = Fleet(deployment)
    yield fleet
    fleet.stop()


def settled(fleet: Fleet) -> None:
    """Waits until no relay has anything more to say."""
    seen: list[float] = []

    def unchanged() -> bool:
        seen.append(sum(number(worker, "dynamo_host_kv_batches_total") for worker in fleet.workers))
        return len(seen) > 3 and seen[-1] == seen[-4]

    wait_until(unchanged, 30, "the relays to be idle")


def test_a_repeated_prefix_goes_to_the_worker_that_has_it(fleet: Fleet) -> None:
    fleet.flush()
    _, cached, first, _ = ask(fleet.routed, LONG)
    assert cached == 0
    for ending in ("a", "b", "c"):
        settled(fleet)
        count, expected = router_hits(fleet.routed)
        tokens, cached, again, _ = ask(fleet.routed, LONG + ending)
        after, expected_after = router_hits(fleet.routed)
        assert again == first
        assert cached > tokens / 2
        assert after == count + 1
        print(f"router expected {expected_after - expected:.2f} of the prompt, engine had {cached}/{tokens}")
        assert expected_after - expected > 0.5


def test_after_a_flush_nobody_has_it(fleet: Fleet) -> None:
    ask(fleet.routed, LONG)
    settled(fleet)
    fleet.flush()
    settled(fleet)
    _, expected = router_hits(fleet.routed)
    _, cached, _, _ = ask(fleet.routed, LONG)
    assert cached == 0
    assert router_hits(fleet.routed)[1] == expected


def test_nothing_is_lost_on_the_way(fleet: Fleet) -> None:
    for worker in fleet.workers:
        assert number(worker, "dynamo_host_kv_batches_total") > 0
        assert number(worker, "dynamo_host_kv_lost_batches_total") == 0
        assert number(worker, "dynamo_host_kv_malformed_batches_total") == 0
        # Before we came: the engine's start and its warm-up.
        assert number(worker, "dynamo_host_kv_recovered_batches_total") > 0


def test_a_router_that_comes_late_knows_what_is_cached(fleet: Fleet, deployment: Deployment) -> None:
    fleet.flush()
    _, _, first, _ = ask(fleet.routed, LONG)
    settled(fleet)
    late = Fleet._frontend(deployment, "--router-mode", "kv")
    # What the router does not know yet it asks the worker, which takes a moment.
    tokens, cached, again, _ = ask(late, LONG + "z")
    assert (again == first) == (cached > tokens / 2)
    assert wait_until(lambda: ask(late, LONG + "y")[2] == first, 30, "the late router to know")


def test_the_load_is_told(fleet: Fleet) -> None:
    assert all(number(worker, "dynamo_component_total_blocks") == 16384 / 16 for worker in fleet.workers)
    url = f"{fleet.routed.url}/metrics"
    with urllib.request.urlopen(url, timeout=10) as reply:
        text = reply.read().decode()
    assert "worker_active_decode_blocks" in text


def hit_rate(fleet: Fleet, client: Client) -> float:
    """Of conversations that grow turn by turn, in an order nobody can foresee."""
    fleet.flush()
    shuffled = random.Random(7)
    talks = [f"[{number:02}] {shuffled.randbytes(8).hex()} " * 4 for number in range(CONVERSATIONS)]
    tokens = cached = 0
    for turn in range(TURNS):
        order = list(range(CONVERSATIONS))
        shuffled.shuffle(order)
        for talk in order:
            talks[talk] += f" user: and what of the number {turn}? assistant:"
            prompt, hit, _, text = ask(client, talks[talk])
            talks[talk] += text
            tokens += prompt
            cached += hit
    return cached / tokens


def test_conversations_find_their_worker_again(fleet: Fleet) -> None:
    routed = hit_rate(fleet, fleet.routed)
    in_turn = hit_rate(fleet, fleet.in_turn)
    print(
        json.dumps(
            {
                "conversations": CONVERSATIONS,
                "turns": TURNS,
                "hit_rate_kv_routing": round(routed, 3),
                "hit_rate_round_robin": round(in_turn, 3),
            }
        )
    )
    assert routed > in_turn + 0.1
