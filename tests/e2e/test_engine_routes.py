"""What operators ask under /engine/, of a worker on real SGLang, with the frontend's list observed."""

import json
import time
from pathlib import Path

import httpx
import pytest
from client import FRANCE, Client, endless, in_parallel
from harness.deployment import Worker
from harness.process import wait_until

pytestmark = pytest.mark.tiny_sglang


def ask(worker: Worker, path: str, body: object = None) -> httpx.Response:
    return httpx.post(f"{worker.system_url}/engine/{path}", json=body or {}, timeout=120)


def done(worker: Worker, path: str, body: object = None) -> dict:
    answer = ask(worker, path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def await_generating(worker: Worker) -> None:
    wait_until(lambda: worker.engine.running_requests(worker.engine_url()) > 0, 60, "a request in the engine")


def version(worker: Worker) -> str:
    """The name of the weights, by the engine's own account."""
    body = {"text": "x", "sampling_params": {"max_new_tokens": 1}}
    return httpx.post(f"{worker.engine_url()}/generate", json=body, timeout=60).json()["meta_info"]["weight_version"]


def test_memory_is_released_and_resumed_out_of_discovery(client: Client, worker: Worker) -> None:
    assert done(worker, "release_memory_occupation") == {"status": "ok"}
    worker.await_unlisted()
    # The worker is well: neither its canary nor a probe of Kubernetes' may end what an operator does.
    time.sleep(3)
    assert worker.status("/health")[0] == 200
    assert done(worker, "resume_memory_occupation") == {"status": "ok"}
    worker.await_listed()
    assert client.chat(FRANCE, max_tokens=4).status_code == 200


def test_release_lets_finish_what_is_running(client: Client, worker: Worker) -> None:
    body = {"model": client.model, **endless(300)}
    [stream] = in_parallel(1, lambda _: client.stream("/v1/completions", body))
    await_generating(worker)
    assert done(worker, "release_memory_occupation", {"tags": ["kv_cache"]}) == {"status": "ok"}
    assert stream.done(), "it was released under a running request"
    assert stream.result().complete
    worker.await_unlisted()
    done(worker, "resume_memory_occupation", {"tags": ["kv_cache"]})
    worker.await_listed()


def test_release_hands_over_what_is_running_if_asked(client: Client, worker: Worker) -> None:
    body = {"model": client.model, **endless(3000)}
    [stream] = in_parallel(1, lambda _: client.stream("/v1/completions", body))
    await_generating(worker)
    assert done(worker, "release_memory_occupation", {"abort_all_requests": True}) == {"status": "ok"}
    cut = stream.result(timeout=30)
    assert cut.error and not cut.complete
    done(worker, "resume_memory_occupation")
    worker.await_listed()
    assert client.chat(FRANCE, max_tokens=4).status_code == 200


def test_pause_and_release_are_taken_back_one_by_one(client: Client, worker: Worker) -> None:
    done(worker, "pause_generation")
    worker.await_unlisted()
    done(worker, "release_memory_occupation", {"tags": ["weights", "kv_cache"]})
    done(worker, "resume_memory_occupation", {"tags": ["weights", "kv_cache"]})
    time.sleep(2)
    worker.await_unlisted(1)
    done(worker, "continue_generation")
    worker.await_listed()
    assert client.chat(FRANCE, max_tokens=4).status_code == 200


def test_a_paused_request_goes_on(client: Client, worker: Worker) -> None:
    body = {"model": client.model, **endless(300)}
    [stream] = in_parallel(1, lambda _: client.stream("/v1/completions", body))
    await_generating(worker)
    done(worker, "pause_generation", {"mode": "retract"})
    worker.await_unlisted()
    assert not stream.done()
    done(worker, "continue_generation")
    assert stream.result(timeout=120).complete
    worker.await_listed()


def test_weights_are_updated_from_disk(worker: Worker) -> None:
    body = {"model_path": str(worker.engine.model), "weight_version": "v7"}
    updated = done(worker, "update_weights_from_disk", body)
    assert updated["success"] is True and updated["num_paused_requests"] == 0
    assert version(worker) == "v7"
    # The same under 1.6.1's path; an engine that does not succeed says so, and goes on.
    failed = done(worker, "control/update_weights_from_disk", {"model_path": "/no/such/weights"})
    assert failed["success"] is False and failed["message"]
    assert version(worker) == "v7"


def test_weights_get_a_version(worker: Worker) -> None:
    for path, name in [("update_weight_version", "v8"), ("control/update_weight_version", "v9")]:
        updated = done(worker, path, {"new_version": name})
        assert updated["success"] is True and updated["new_version"] == name
        assert version(worker) == name


@pytest.mark.parametrize("path", ["update_weights_from_distributor", "control/update_weights_from_distributed"])
def test_weights_from_a_trainer_need_its_process_group(worker: Worker, path: str) -> None:
    """NCCL needs GPUs: what can be seen here is that the engine is asked, and refuses."""
    body = {"names": ["a"], "dtypes": ["float32"], "shapes": [[1]], "group_name": "none"}
    answer = ask(worker, path, body)
    assert answer.json().get("success") is False or answer.status_code == 500, answer.text
    assert worker.process.running


def test_a_profile_is_taken(client: Client, worker: Worker, tmp_path: Path) -> None:
    # Without a number of steps the profiler of SGLang 0.5.23 takes gigabytes on a CPU.
    body = {"output_dir": str(tmp_path), "num_steps": 2, "activities": ["CPU"]}
    assert done(worker, "start_profile", body) == {"status": "ok", "message": "Profiling started"}
    assert client.chat(FRANCE, max_tokens=8).status_code == 200
    wait_until(lambda: list(tmp_path.rglob("*.gz")), 90, "the trace")
    # It has stopped by itself.
    assert ask(worker, "stop_profile").status_code == 500


def test_an_operators_own_route_and_the_marks_of_routers(client: Client, worker: Worker) -> None:
    beside = worker.beside("--engine-route", "admin/flush=flush_cache")
    try:
        beside.await_listed()
        # The engine refuses while its scheduler still holds the batch of a health check.
        flushed = "Cache flushed"
        wait_until(lambda: flushed in ask(beside, "admin/flush").text, 30, "the engine to be idle")
        marked = done(beside, "update/model_taints", {"taints": ["b", "a", "b"]})
        assert marked == {"status": "ok", "taints": ["a", "b"]}
        wait_until(lambda: beside.card()["runtime_config"]["taints"] == ["a", "b"], 10, "the marks")
        done(beside, "pause_generation", {"mode": "retract"})
        beside.await_unlisted()
        done(beside, "continue_generation")
        beside.await_listed()
        assert beside.card()["runtime_config"]["taints"] == ["a", "b"]
    finally:
        beside.process.stop(30)


def test_what_is_wrong_with_a_call_is_said(worker: Worker) -> None:
    for path, body, words in [
        ("release_memory_occupation", {"tag": ["weights"]}, "`tag`"),
        ("control/update_weights_from_disk", {}, "model_path"),
        ("update/model_taints", {"taints": ["dynamo.topology/zone=a"]}, "dynamo.topology/"),
    ]:
        answer = ask(worker, path, body)
        assert answer.status_code == 500 and words in answer.json()["message"], answer.text
    assert ask(worker, "no_such_route").status_code == 404
    assert json.loads(ask(worker, "control/is_scaling_elastic_ep").text)["status"] == "error"
    worker.await_listed()
