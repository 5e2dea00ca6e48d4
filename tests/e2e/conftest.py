"""The parts every test talks to: one frontend for all, one worker for each kind of engine.

`--engine` chooses the kinds of engine (repeat it for several). Tests that end or break their worker
ask for it with `worker`, like all others: the next test gets a new one when the old is gone. What is
about images and videos has workers of its own, on the procedural stand-in (`--engine procedural`).
"""

import signal
from collections.abc import Iterator

import pytest
from client import Client
from harness.deployment import Deployment, Worker
from harness.engines import ENGINES, PROCEDURAL, Engine
from harness.process import Process

CANARY = {
    "DYN_HEALTH_CHECK_ENABLED": "true",
    "DYN_CANARY_WAIT_TIME": "1",
    # Two cores may be busy with fifty streams.
    "DYN_HEALTH_CHECK_REQUEST_TIMEOUT": "30",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--engine", action="append", choices=[*ENGINES, PROCEDURAL], help="default: llama")


def _engines(config: pytest.Config) -> list[str]:
    return config.getoption("--engine") or ["llama"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" in metafunc.fixturenames:
        text = [name for name in _engines(metafunc.config) if name in ENGINES]
        metafunc.parametrize("engine", text, indirect=True, scope="session")


def pytest_configure(config: pytest.Config) -> None:
    # Whoever ends the suite, it stops the servers it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line("markers", "no_engine: says nothing about the kind of engine; runs with llama only")
    config.addinivalue_line("markers", "procedural: about images and videos; runs with the procedural stand-in")
    config.addinivalue_line("markers", "tiny_sglang: starts SGLang with the tiny model itself; runs beside sglang-tiny")
    config.addinivalue_line("markers", "authors: builds plugins as their authors do; runs with llama when asked for by -m authors")
    config.addinivalue_line("markers", "kv_routing: two SGLang engines and twenty conversations; runs when asked for by -m kv_routing")
    config.addinivalue_line("markers", "replaces_worker: ends or breaks its worker, which is slow with SmolLM2 on SGLang")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def wanted(item: pytest.Item) -> bool:
        for name in ("authors", "kv_routing"):
            if item.get_closest_marker(name):
                return name in config.getoption("markexpr")
        if item.get_closest_marker("procedural"):
            return PROCEDURAL in _engines(config)
        if item.get_closest_marker("no_engine"):
            return "llama" in _engines(config)
        if item.get_closest_marker("tiny_sglang"):
            # Parametrized or not: once is enough.
            return "sglang-tiny" in _engines(config) and "sglang-smollm2" not in item.name and "llama" not in item.name
        if _engines(config) == [PROCEDURAL]:
            return False
        # SGLang takes a minute to start again: the tiny model shows the same as the larger one.
        return not (item.get_closest_marker("replaces_worker") and "[sglang-smollm2" in item.name)

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    with Deployment(say=print) as deployment:
        deployment.start_frontend()
        yield deployment


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]()


@pytest.fixture(scope="session")
def workers(deployment: Deployment, engine: Engine) -> Iterator[list[Worker]]:
    """The workers on this engine so far, the current one last."""
    workers: list[Worker] = []
    yield workers
    for worker in workers:
        worker.process.stop(60)


@pytest.fixture
def worker(deployment: Deployment, engine: Engine, workers: list[Worker]) -> Worker:
    """A worker that serves."""
    if not workers or not workers[-1].process.running:
        workers.append(deployment.start_worker(engine, environment=CANARY))
    workers[-1].await_listed()
    return workers[-1]


@pytest.fixture
def client(deployment: Deployment, worker: Worker) -> Client:
    return Client(deployment.url, worker.model)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Shows the ends of the logs of a failed test's processes."""
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    processes: list[Process] = list(getattr(item, "funcargs", {}).get("deployment", _NONE).started)
    for process in processes[:1] + processes[-2:]:
        report.sections.append((f"last lines of {process.name}", process.tail(40)))


class _NONE:
    started: list[Process] = []
