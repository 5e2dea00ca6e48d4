"""The Grafana dashboard: each of its queries, asked of a Prometheus that scrapes hosts under load.

With `-s` it prints what the panels show.
"""

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from client import FRANCE, Client, endless
from harness.deployment import Deployment, Worker
from harness.engines import REPOSITORY, llama
from harness.process import Failed, wait_until
from harness.prometheus import Prometheus
from swap import TALKING

pytestmark = pytest.mark.no_engine

DASHBOARD = json.loads((REPOSITORY / "examples/grafana/dynamo-host.json").read_text())

# What has nothing to show here, by the family it asks for, and why.
NO_DATA = {"sglang:": "the engine is llama.cpp"}
ZERO = {
    "dynamo_host_plugin_values_dropped_total": "these plugins record nothing of their own",
    "dynamo_host_media_bytes": "all is text",
    "dynamo_host_engine_restarts_total": "no engine fails",
    "dynamo_host_engine_scrape_failures_total": "no engine fails",
}


def filled(expression: str) -> str:
    """As Grafana would ask it, without the zero it shows where there is nothing."""
    for name, value in [("$__rate_interval", "10s"), ("$namespace", ".*"), ("$model", ".*")]:
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression.removesuffix(" or vector(0)")


QUERIES = [filled(target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]


def about(query: str, families: dict[str, str]) -> bool:
    return any(family in query for family in families)


class Load:
    """What there is to see, over and over: answers, clients that leave, refusals, traps."""

    def __init__(self, well: Client, trapping: Client) -> None:
        body = {"model": well.model, **endless(60)}
        picture = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/none.png"}}
        refused = {"model": well.model, "messages": [{"role": "user", "content": [picture]}]}
        self._asked: list[Callable[[], object]] = [
            lambda: well.stream("/v1/completions", body),
            lambda: well.stream("/v1/completions", body, leave_when=lambda seen: len(seen.chunks) > 2),
            lambda: well.post("/v1/chat/completions", refused),
            lambda: trapping.completion(FRANCE, max_tokens=2),
        ]
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(len(self._asked))

    def __enter__(self) -> "Load":
        self._running = [self._pool.submit(self._repeat, ask) for ask in self._asked]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for running in self._running:
            running.result()

    def _repeat(self, ask: Callable[[], object]) -> None:
        while not self._stop.wait(0.2):
            ask()


@pytest.fixture
def trapping(deployment: Deployment) -> Iterator[Worker]:
    """A worker whose plugin traps on every third request."""
    engine = llama()
    engine.plugin = str(TALKING)
    worker = deployment.start_worker(engine)
    worker.await_listed()
    yield worker
    worker.process.stop(60)


def test_each_panel_shows_something(deployment: Deployment, worker: Worker, trapping: Worker, tmp_path: Path) -> None:
    targets = [host.system_url.removeprefix("http://") for host in (worker, trapping)]
    prometheus = Prometheus(deployment, tmp_path, *targets)
    clients = [Client(deployment.url, host.model) for host in (worker, trapping)]
    silent = {query for query in QUERIES if about(query, NO_DATA)}
    still = {query for query in QUERIES if about(query, ZERO)}
    waiting = set(QUERIES) - silent - still
    assert waiting and silent and still

    def all_seen() -> bool:
        waiting.difference_update([query for query in waiting if any(value > 0 for value in values(prometheus, query))])
        return not waiting

    try:
        with Load(*clients):
            try:
                wait_until(all_seen, 60, "the panels")
            except Failed:
                pytest.fail(f"nothing is seen of {waiting}")
            print("\n".join(rendered(prometheus)))
        assert {query: values(prometheus, query) for query in still} == dict.fromkeys(still, [0.0])
        assert {query: values(prometheus, query) for query in silent} == dict.fromkeys(silent, [])
        for variable in DASHBOARD["templating"]["list"]:
            assert choices(prometheus, variable), variable["name"]
    finally:
        prometheus.process.stop(10)


def rendered(prometheus: Prometheus) -> Iterator[str]:
    """Each panel in words: its title, and of each line the legend and the value."""
    for panel in DASHBOARD["panels"]:
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
        shown = [
            f"{legend(target, sample['metric'])} {float(sample['value'][1]):.4g}"
            for target in panel["targets"]
            for sample in prometheus.query(filled(target["expr"]))
        ]
        yield f"{panel['title']} ({unit}): {'; '.join(shown) or 'no data'}"


def legend(target: dict, labels: dict[str, str]) -> str:
    return re.sub(r"{{\s*(\w+)\s*}}", lambda name: labels.get(name[1], ""), target.get("legendFormat", ""))


def values(prometheus: Prometheus, query: str) -> list[float]:
    found = [float(sample["value"][1]) for sample in prometheus.query(query)]
    return [value for value in found if not math.isnan(value)]


def choices(prometheus: Prometheus, variable: dict) -> list[str]:
    """What Grafana would offer for a variable of the dashboard."""
    if variable["type"] == "datasource":
        return [variable["query"]]
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
    assert asked, variable["query"]
    family, label = asked.groups()
    return [sample["metric"][label] for sample in prometheus.query(family) if label in sample["metric"]]
