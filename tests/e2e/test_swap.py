"""A plugin's next version takes over while its engine and its requests go on."""

import dataclasses
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import Client, endless, in_parallel
from harness.deployment import Deployment, Worker
from harness.engines import llama
from harness.process import wait_until
from swap import COUNTS, NARROW, ONE, TRAPPING, TWO, UNWELL, await_version, order, put, shown, versions

pytestmark = pytest.mark.no_engine


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's file, which tests replace."""
    return tmp_path_factory.mktemp("plugin") / "relay.wasm"


@pytest.fixture(scope="module")
def host(deployment: Deployment, file: Path) -> Iterator[Worker]:
    put(ONE, file)
    engine = dataclasses.replace(llama(), plugin=str(file))
    worker = deployment.start_worker(engine, ["--plugin", str(COUNTS), "--parallel", "8"])
    worker.await_listed()
    yield worker
    worker.process.stop(60)


@pytest.fixture
def worker(host: Worker, file: Path) -> Worker:
    """The host with the first version, whatever a test did before."""
    put(ONE, file)
    status, answer = order(host, "reload", plugin="relay")
    assert status == 200, answer
    assert shown(host)["version"] == "1.0.0"
    return host


@pytest.fixture
def client(deployment: Deployment, worker: Worker) -> Client:
    return Client(deployment.url, worker.model)


def asked(client: Client) -> set[str]:
    """The versions that answer a short request."""
    stream = client.stream_completion("1, 2, 3,", max_tokens=2, temperature=0)
    assert stream.complete, stream
    return versions(stream.chunks)


def metric(worker: Worker, line: str) -> bool:
    return line in worker.status("/metrics")[1]


def test_requests_in_flight_stay_with_their_version(client: Client, worker: Worker, file: Path) -> None:
    body = {"model": client.model, **endless(400)}
    streams = in_parallel(4, lambda _: client.stream("/v1/completions", body))
    wait_until(lambda: shown(worker)["live"][-1]["in_flight"] == 4, 60, "four requests")

    put(TWO, file)
    plugin = await_version(worker, "2.0.0")

    assert [(live["version"], live["in_flight"]) for live in plugin["live"]] == [("1.0.0", 4), ("2.0.0", 0)]
    assert plugin["on_probation"] and plugin["last_switch"]["by"] == "source"
    assert asked(client) == {"2.0.0"}
    results = [call.result(timeout=300) for call in streams]
    assert all(stream.complete for stream in results), results
    assert [versions(stream.chunks) for stream in results] == [{"1.0.0"}] * 4
    digest = plugin["digest"].removeprefix("sha256:")
    assert metric(worker, f'dynamo_host_plugin_info{{digest="{digest}",name="relay",version="2.0.0"}} 1')
    assert metric(worker, 'dynamo_host_plugin_swaps_total{by="source",name="relay"}')


def test_routes_follow_their_version(worker: Worker, file: Path) -> None:
    assert worker.status("/engine/first") == (200, '{"version":"1.0.0"}')
    assert worker.status("/engine/second")[0] in (404, 500)
    put(TWO, file)
    assert order(worker, "reload", plugin="relay")[1]["plugins"][0]["outcome"] == "switched"
    assert worker.status("/engine/second") == (200, '{"version":"2.0.0"}')
    assert worker.status("/engine/first")[0] == 500


def test_a_signal_looks_for_a_new_version(client: Client, worker: Worker, file: Path) -> None:
    put(TWO, file)
    worker.process.signal(signal.SIGHUP)
    await_version(worker, "2.0.0")
    assert asked(client) == {"2.0.0"}


def test_a_half_written_file_is_not_taken(client: Client, worker: Worker, file: Path) -> None:
    whole = TWO.read_bytes()
    with file.open("wb") as written:
        written.write(whole[: len(whole) // 2])
        written.flush()
        status, answer = order(worker, "reload", plugin="relay")
        assert status == 500 and "1.0.0" == shown(worker)["version"], answer
        assert asked(client) == {"1.0.0"}
        written.write(whole[len(whole) // 2 :])
    await_version(worker, "2.0.0")


def test_a_link_is_followed_as_kubernetes_changes_it(deployment: Deployment, host: Worker, tmp_path: Path) -> None:
    for folder, plugin in (("..1", ONE), ("..2", TWO)):
        (tmp_path / folder).mkdir()
        put(plugin, tmp_path / folder / "relay.wasm")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "relay.wasm").symlink_to("..data/relay.wasm")
    engine = dataclasses.replace(llama(), plugin=str(tmp_path / "relay.wasm"))
    engine = dataclasses.replace(engine, arguments=["--engine-url", host.engine_url()])
    worker = deployment.start_worker(engine, ["--plugin-probation", "0"])
    worker.await_listed()

    (tmp_path / "..new").symlink_to("..2")
    os.replace(tmp_path / "..new", tmp_path / "..data")

    plugin = await_version(worker, "2.0.0")
    # Without a probation nothing is left of the version before.
    assert [live["version"] for live in plugin["live"]] == ["2.0.0"]
    worker.process.stop(60)


@pytest.mark.parametrize(
    ("plugin", "step", "reason"),
    [
        (NARROW, "registration", "model type"),
        (UNWELL, "health_check", "not well"),
        (COUNTS, "load", "counts"),
    ],
    ids=["narrow", "unwell", "another"],
)
def test_what_does_not_pass_does_not_serve(
    client: Client, worker: Worker, file: Path, plugin: Path, step: str, reason: str
) -> None:
    put(plugin, file)
    status, answer = order(worker, "reload", plugin="relay")
    assert status == 500 and reason in answer["message"], answer
    now = shown(worker)
    assert now["version"] == "1.0.0"
    assert now["last_refusal"]["step"] == step and reason in now["last_refusal"]["reason"]
    assert metric(worker, f'dynamo_host_plugin_refusals_total{{name="relay",step="{step}"}}')
    assert "goes on" in worker.process.output()
    assert asked(client) == {"1.0.0"}


def test_the_operators_cases_decide(deployment: Deployment, host: Worker, tmp_path: Path) -> None:
    case = {"format": 1, "name": "relay/no_prompt", "request": {"model": "m"}, "exchanges": [], "chunks": []}
    cases = tmp_path / "cases"
    cases.mkdir()
    at = tmp_path / "relay.wasm"
    put(ONE, at)
    engine = dataclasses.replace(llama(), plugin=str(at), arguments=["--engine-url", host.engine_url()])
    worker = deployment.start_worker(engine, ["--plugin-cases", str(cases)])
    worker.await_listed()

    # No plugin of ours answers a request without a prompt out of thin air.
    (cases / "no_prompt.json").write_text(json.dumps(case))
    put(TWO, at)
    status, answer = order(worker, "reload", plugin="relay")
    assert status == 500 and "relay/no_prompt" in answer["message"], answer
    assert shown(worker)["version"] == "1.0.0" and shown(worker)["last_refusal"]["step"] == "cases"

    (cases / "no_prompt.json").unlink()
    assert order(worker, "reload", plugin="relay")[0] == 200
    assert shown(worker)["version"] == "2.0.0"
    worker.process.stop(60)


def test_a_version_that_fails_goes_back_by_itself(client: Client, worker: Worker, file: Path) -> None:
    put(TRAPPING, file)
    assert order(worker, "reload", plugin="relay")[0] == 200
    failed = 0
    for _ in range(200):
        stream = client.stream_completion("1, 2, 3,", max_tokens=1, temperature=0)
        failed += not stream.complete
        if shown(worker)["version"] == "1.0.0":
            break
    plugin = shown(worker)
    assert plugin["version"] == "1.0.0", plugin
    # Three are what it takes; what ended meanwhile may have been one more.
    assert 3 <= failed <= 4
    assert "its code failed" in plugin["last_rollback"]["reason"]
    assert asked(client) == {"1.0.0"}

    status, answer = order(worker, "reload", plugin="relay")
    assert status == 500 and "sent back before" in answer["message"], answer


def test_an_operator_goes_back(client: Client, worker: Worker, file: Path) -> None:
    put(TWO, file)
    assert order(worker, "reload", plugin="relay")[0] == 200
    status, answer = order(worker, "rollback")
    assert status == 500 and "relay, counts" in answer["message"], answer
    status, answer = order(worker, "rollback", plugin="relay")
    assert status == 200 and answer["plugins"][0]["version"] == "1.0.0", answer
    assert asked(client) == {"1.0.0"}
    # It was no bad version: whoever asks for it again gets it.
    assert order(worker, "reload", plugin="relay")[1]["plugins"][0]["version"] == "2.0.0"


def test_two_plugins_serve_from_one_engine(client: Client, worker: Worker, file: Path) -> None:
    namespace = worker.namespace
    before = shown(worker, "counts")
    assert before["endpoint"] == f"dyn://{namespace}.counts.generate"
    [short] = worker.ask("counts.generate", {"text": "one"})
    [long] = worker.ask("counts.generate", {"text": "one two three four five"})
    assert 0 < short["tokens"] < long["tokens"]
    put(TWO, file)
    assert order(worker, "reload")[0] == 200
    assert asked(client) == {"2.0.0"}
    after = shown(worker, "counts")
    assert (after["digest"], after["last_switch"]) == (before["digest"], None)
    assert worker.ask("counts.generate", {"text": "one"}) == [short]
