"""An engine on two nodes: one host leads and takes the requests, the other follows."""

import json

import pytest
from client import FRANCE, Client
from harness.deployment import Deployment, Worker
from harness.engines import sglang
from harness.process import free_port, wait_until
from metrics import check, exposition, value

pytestmark = pytest.mark.tiny_sglang

# Blocks of 16 tokens.
LONG = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 8


def test_a_node_that_follows_serves_nothing_and_lives_with_its_engine(deployment: Deployment) -> None:
    together = ["--nnodes", "2", "--tp", "2", "--dist-init-addr", f"127.0.0.1:{free_port()}"]
    engine = sglang("tiny-llama", arguments=together)
    environment = {
        # Each rank has a processor; none has an accelerator, to talk through or to compile for.
        "SGLANG_CPU_OMP_THREADS_BIND": "0|1",
        "SGLANG_NCCL_SO_PATH": "/none",
        "TORCHDYNAMO_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
    }
    leader, follower = (
        deployment.start_worker(
            engine, ["--node-rank", str(rank)], environment, name="nodes", endpoint="nodes.backend.generate"
        )
        for rank in range(2)
    )
    leader.await_listed()
    follower.process.await_ready(lambda: follower.status("/health")[0] == 200, 60, "the follower")
    assert Client(deployment.url, "nodes").chat(FRANCE, max_tokens=4).status_code == 200
    assert deployment.models().count("nodes") == 1
    assert leader.card()["runtime_config"]["runtime_data"]["sglang_worker_group_id"]
    assert follower.status("/live")[0] == 200
    check(exposition(follower))
    assert follower.engine_process(), "it has started its part of the engine"
    for node in (follower, leader):
        node.process.stop(60)
        assert node.process.child.returncode == 0
        assert not node.engine_family()


def test_a_node_that_follows_relays_its_rank_for_the_leader(deployment: Deployment, worker: Worker) -> None:
    """The rank is a real engine of its own: a model small enough for two cores cannot be split."""
    events, replay = free_port(), free_port()

    def publishing(rank: int) -> list[str]:
        address = "tcp://127.0.0.1:{}".format
        config = {"publisher": "zmq", "endpoint": address(events + rank), "replay_endpoint": address(replay + rank)}
        return ["--kv-events-config", json.dumps({**config, "bind": True})]

    # Rank 1 of an engine that has two.
    rank = deployment.start_worker(sglang("tiny-llama"), publishing(1))
    rank.await_listed()
    layout = ["--nnodes", "2", "--node-rank", "1", "--dp", "2", "--enable-dp-attention", *publishing(0)]
    running = sglang("tiny-llama")
    running.arguments = ["--engine-url", rank.engine_url(), *layout]
    # The namespace of the leader is that of the deployment and its own.
    follower = deployment.start_worker(running, endpoint=worker.endpoint.partition("-")[2])
    follower.process.await_ready(lambda: follower.status("/health")[0] == 200, 60, "the follower")

    leaders = {"worker_id": worker.instance_id(), "dp_rank": 1}
    wait_until(lambda: leaders in deployment.kv_sources(), 30, "the rank among the leader's")
    assert Client(deployment.url, rank.model).completion(LONG, max_tokens=4).status_code == 200

    def blocks() -> float:
        text = exposition(follower)
        return value(text, "dynamo_host_kv_blocks") if "dynamo_host_kv_blocks" in text else 0

    wait_until(lambda: blocks() > 20, 30, "blocks of the rank")
    follower.process.stop(60)
    assert leaders not in deployment.kv_sources()
    rank.process.stop(60)
