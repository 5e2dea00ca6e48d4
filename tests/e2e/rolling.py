"""Workers are replaced, and killed, under steady load: what becomes of the requests.

    python tests/e2e/rolling.py [--requests N]

`make test-rolling` runs it. The engine is the replayed stand-in (tests/engines/replayed_sglang), so that
there are thousands of requests; frontend, host and plugin are the real ones. Prints a table for each
part, and `dropped: N` on a line of its own.
"""

import argparse
import http.client
import itertools
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

from harness.deployment import Deployment, Worker
from harness.engines import REPOSITORY, Engine
from harness.process import free_port, wait_until

STAND_IN = REPOSITORY / "tests" / "engines" / "replayed_sglang"
CLIENTS = 16
TOKENS = 24
LETTERS = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
REPLACEMENTS = 3


def engine() -> Engine:
    return Engine(
        name="replayed",
        plugin="decode",
        model=STAND_IN / "model",
        program=[Path(sys.executable).name, str(STAND_IN)],
        arguments=["--engine-command", f"{sys.executable} {STAND_IN} --pace 0.004"],
    )


class Load:
    """Clients that ask one after another, every other one for a stream, until told to stop."""

    def __init__(self, port: int, model: str) -> None:
        self.port = port
        self.model = model
        self.outcomes: Counter[str] = Counter()
        self.faults: list[str] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    @property
    def count(self) -> int:
        return sum(self.outcomes.values())

    def await_more(self, count: int) -> None:
        wanted = self.count + count
        wait_until(lambda: self.count >= wanted, 600, f"{count} more answers")

    def _client(self) -> None:
        while not self._stop.is_set():
            stream = next(self._numbers) % 2 == 0
            kind = "streamed" if stream else "whole"
            try:
                fault = _ask(self.port, self.model, stream)
            except (OSError, http.client.HTTPException, ValueError) as error:
                fault = f"dropped: {error!r}"
            with self._lock:
                self.outcomes[f"{kind}, {fault.split(':')[0] if fault else 'complete'}"] += 1
                if fault:
                    self.faults.append(fault)


def await_ready(worker: Worker) -> None:
    worker.process.await_ready(lambda: worker.status("/health")[0] == 200, 120, "the worker to be ready")


def _ask(port: int, model: str, stream: bool) -> str:
    """What is wrong with the answer to one request; nothing if it came whole."""
    body = {"model": model, "prompt": "1, 2, 3", "max_tokens": TOKENS, "ignore_eos": True, "stream": stream}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        reply = connection.getresponse()
        text = reply.read().decode()
    finally:
        connection.close()
    if reply.status != 200:
        return f"failed: {reply.status} {text[:200]}"
    if not stream:
        return _check(json.loads(text)["choices"][0]["text"])
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    if events[-1:] != ["[DONE]"]:
        return f"truncated: {text[-200:]}"
    chunks = [json.loads(event) for event in events[:-1]]
    if any("choices" not in chunk for chunk in chunks):
        return f"failed: {events[-2]}"
    return _check("".join(choice["text"] for chunk in chunks for choice in chunk["choices"]))


def _check(text: str) -> str:
    """The letters of the alphabet, from wherever it begins on, each once: none is missing or twice."""
    start = LETTERS.index(text[0]) if text else 0
    expected = "".join(LETTERS[(start + i) % len(LETTERS)] for i in range(TOKENS))
    return "" if text == expected else f"truncated: {text!r}"


class Fleet:
    """Two workers of one model."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        self._deployment = deployment
        self.name = name
        self.workers = [self._start(), self._start()]
        for worker in self.workers:
            await_ready(worker)

    def _start(self) -> Worker:
        return self._deployment.start_worker(engine(), name=self.name, endpoint=f"{self.name}.backend.generate")

    def replace(self, place: int) -> None:
        """A new worker comes, then the old one leaves by SIGTERM."""
        old, self.workers[place] = self.workers[place], self._start()
        await_ready(self.workers[place])
        old.process.signal(signal.SIGTERM)
        status = old.process.wait(120)
        if status != 0:
            raise AssertionError(f"a worker ended with {status}")

    def stop(self) -> None:
        for worker in self.workers:
            worker.process.stop(60)


def roll(deployment: Deployment, requests: int) -> Load:
    """Workers are replaced, one after the other."""
    fleet = Fleet(deployment, "rolling")
    fleet.workers[0].await_listed()
    share = requests // (2 * REPLACEMENTS + 1) + 1
    with Load(deployment.http_port, "rolling") as load:
        for number in range(2 * REPLACEMENTS):
            load.await_more(share)
            fleet.replace(number % 2)
        load.await_more(max(share, requests - load.count))
    fleet.stop()
    return load


def kill(deployment: Deployment, requests: int) -> tuple[Load, int]:
    """A host, then an engine, ends by SIGKILL, behind a frontend that may send requests on."""
    port = free_port()
    deployment.another_frontend(port, "--migration-limit", "3")
    fleet = Fleet(deployment, "killed")
    fleet.workers[0].await_listed()
    wait_until(lambda: "killed" in _read(port, "/v1/models"), 30, "the other frontend to list it")
    with Load(port, "killed") as load:
        load.await_more(requests // 4)
        fleet.workers[0].process.signal(signal.SIGKILL)
        fleet.workers[0].process.wait(10)
        load.await_more(requests // 4)
        fleet.workers[0] = fleet._start()
        await_ready(fleet.workers[0])
        load.await_more(requests // 4)
        victim = fleet.workers[1].engine_process()
        assert victim
        os.kill(victim.pid, signal.SIGKILL)
        load.await_more(requests // 4)
    migrated = re.findall(r"^dynamo_frontend_model_migration_total\{.*\} (\S+)$", _read(port, "/metrics"), re.M)
    fleet.stop()
    return load, int(sum(map(float, migrated)))


def _read(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
        return reply.read().decode()


def show(title: str, load: Load) -> None:
    print(f"\n{title}: {load.count} requests of {TOKENS} tokens, {CLIENTS} at once")
    for outcome, count in sorted(load.outcomes.items()):
        print(f"  {outcome:<24}{count:>8}")
    for fault in load.faults[:5]:
        print(f"  {fault}")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=5000)
    requests = parser.parse_args().requests
    begun = time.monotonic()
    with Deployment(say=lambda text: print(f"==> {text}", flush=True)) as deployment:
        deployment.start_frontend()
        rolled = roll(deployment, requests)
        show(f"two workers, each replaced {REPLACEMENTS} times", rolled)
        print(f"dropped: {len(rolled.faults)}", flush=True)
        killed, migrated = kill(deployment, requests)
        show("a host and an engine killed (--migration-limit 3)", killed)
        print(f"failed: {len(killed.faults)}\nmigrated: {migrated}\n{time.monotonic() - begun:.0f} s")
    return 1 if rolled.faults or killed.faults else 0


if __name__ == "__main__":
    sys.exit(main())
