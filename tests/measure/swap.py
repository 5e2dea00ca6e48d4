#!/usr/bin/env python3
"""What clients notice while plugins are swapped under load.

    make test-swap [DURATION=60] [STREAMS=64]

Starts the real frontend, a NATS server, a llama.cpp server, and two hosts in front of it that serve one
model: one has its plugin from a file, the other from an object store. STREAMS clients stream for DURATION
seconds without a pause, and meanwhile the plugins are swapped between two versions ten times: by replacing the
file, by a push to the store, by the route. Then a version that traps on a fifth of its requests is put in.

Exits with 1 if a request failed, if an answer came from two versions, if a swap did not happen, or if the
bad version did not go back by itself.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness.deployment import HOST_BINARY, Deployment, Worker  # noqa: E402
from harness.engines import llama  # noqa: E402
from harness.nats import Nats  # noqa: E402
from harness.process import wait_until  # noqa: E402
from swap import ONE, TRAPPING, TWO, await_version, order, put, shown, versions  # noqa: E402

MODEL = "swapped"
ADDRESS = "nats://plugins/relay"
TOKENS = 16
# What brings each swap about, in turn.
WAYS = ("file", "push", "route") * 3 + ("file",)
# After a swap, latencies still belong to it for so long, in seconds.
AFTER = 1.0


@dataclass
class Answer:
    """One streamed answer, and when its pieces came."""

    began: float
    times: list[float] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    complete: bool = False
    error: str = ""

    @property
    def worst(self) -> tuple[float, float]:
        """The longest time without a piece, and when it ended."""
        points = [self.began, *self.times]
        return max(((b - a, b) for a, b in zip(points, points[1:])), default=(0.0, self.began))


def ask(url: str) -> Answer:
    """Streams one completion."""
    body = {"model": MODEL, "prompt": "1, 2, 3, 4,", "max_tokens": TOKENS, "stream": True, "ignore_eos": True}
    headers = {"content-type": "application/json"}
    call = urllib.request.Request(f"{url}/v1/completions", json.dumps(body).encode(), headers)
    answer = Answer(time.monotonic())
    try:
        with urllib.request.urlopen(call, timeout=300) as reply:
            for line in reply:
                if line == b"data: [DONE]\n":
                    answer.complete = not answer.error and bool(answer.times)
                elif line.startswith(b"data: "):
                    chunk = json.loads(line.removeprefix(b"data: "))
                    answer.times.append(time.monotonic())
                    answer.versions |= versions([chunk])
                    if "choices" not in chunk:
                        answer.error = str(chunk)
    except OSError as error:
        answer.error = repr(error)
    if not answer.complete and not answer.error:
        answer.error = "it broke off"
    return answer


class Load:
    """Clients that stream without a pause until told to stop."""

    def __init__(self, url: str, streams: int) -> None:
        self.answers: list[Answer] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._stream, daemon=True) for _ in range(streams)]
        for thread in self._threads:
            thread.start()

    def _stream(self) -> None:
        while not self._over.is_set():
            self.answers.append(ask(self._url))

    def stop(self) -> list[Answer]:
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.answers


def push(nats: Nats, plugin: Path) -> None:
    command = [HOST_BINARY, "plugin", "push", plugin, ADDRESS]
    subprocess.run(command, env={**os.environ, **nats.environment}, check=True, capture_output=True)


@dataclass
class Fleet:
    """The two hosts, and where their plugins come from."""

    of_file: Worker
    of_store: Worker
    file: Path
    nats: Nats

    def swap(self, way: str) -> tuple[str, float, float, float]:
        """Gives a host its other version: which way, when it began and ended, and the pause in us."""
        worker = self.of_store if way == "push" else self.of_file
        now = shown(worker)
        plugin, version = (TWO, "2.0.0") if now["version"] == "1.0.0" else (ONE, "1.0.0")
        began = time.monotonic()
        if way == "push":
            push(self.nats, plugin)
        else:
            put(plugin, self.file)
        if way == "route":
            status, answer = order(worker, "reload")
            assert status == 200, answer
        switch = await_version(worker, version)["last_switch"]
        return way, began, time.monotonic(), switch["pause_us"]


def report(answers: list[Answer], swaps: list[tuple[str, float, float, float]]) -> bool:
    failed = [answer for answer in answers if not answer.complete]
    mixed = [answer for answer in answers if len(answer.versions) != 1 and answer.complete]
    of = {version: sum(answer.versions == {version} for answer in answers) for version in ("1.0.0", "2.0.0")}

    def in_swap(moment: float) -> bool:
        return any(began <= moment <= ended + AFTER for _, began, ended, _ in swaps)

    inside = [gap for gap, at in (answer.worst for answer in answers) if in_swap(at)]
    outside = [gap for gap, at in (answer.worst for answer in answers) if not in_swap(at)]
    print(f"requests: {len(answers)}, of version 1: {of['1.0.0']}, of version 2: {of['2.0.0']}")
    print(f"failed requests: {len(failed)}")
    print(f"answers of more than one version: {len(mixed)}")
    for way in dict.fromkeys(WAYS):
        taken = [(ended - began, pause) for which, began, ended, pause in swaps if which == way]
        print(
            f"swaps by {way}: {len(taken)}, {max(time for time, _ in taken):.1f} s at most from change to switch, "
            f"switch pause {max(pause for _, pause in taken):.1f} us at most"
        )
    if inside and outside:
        print(
            f"longest wait for a piece of an answer: {max(outside):.2f} s without a swap, {max(inside):.2f} s around "
            f"one, worst added latency {max(0.0, max(inside) - max(outside)):.2f} s"
        )
    for answer in failed[:5]:
        print(f"  failed: {answer.error}")
    return not failed and not mixed and len(swaps) == len(WAYS) and all(of.values())


def roll_back(deployment: Deployment, fleet: Fleet, streams: int) -> bool:
    """Puts a bad version in and waits for it to go."""
    good = shown(fleet.of_file)["version"]
    load = Load(deployment.url, streams)
    put(TRAPPING, fleet.file)
    await_version(fleet.of_file, "3.0.0")
    wait_until(lambda: shown(fleet.of_file)["version"] == good, 120, "the bad version to go")
    reason = shown(fleet.of_file)["last_rollback"]["reason"]
    answers = load.stop()
    failed = sum(not answer.complete for answer in answers)
    print(f"a version that traps on 20 % of requests went back by itself: {reason}; {failed} clients saw a failure")
    return shown(fleet.of_file)["bad"] != []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--streams", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Deployment(say=print) as deployment:
        deployment.start_frontend()
        nats = Nats(deployment, Path(folder) / "nats")
        push(nats, ONE)
        file = Path(folder) / "relay.wasm"
        put(ONE, file)
        engine = dataclasses.replace(llama(), plugin=str(file))
        endpoint = "swap.backend.generate"
        flags = ["--parallel", "16", "--ctx-size", "8192"]
        of_file = deployment.start_worker(engine, flags, nats.environment, MODEL, endpoint)
        of_file.await_listed()
        attached = dataclasses.replace(engine, plugin=ADDRESS, arguments=["--engine-url", of_file.engine_url()])
        of_store = deployment.start_worker(attached, None, nats.environment, MODEL, endpoint)
        wait_until(lambda: of_store.status("/health")[0] == 200, 60, "the second host")
        fleet = Fleet(of_file, of_store, file, nats)

        began = time.monotonic()
        load = Load(deployment.url, options.streams)
        swaps = []
        for number, way in enumerate(WAYS):
            time.sleep(max(0.0, began + (number + 0.5) * options.seconds / len(WAYS) - time.monotonic()))
            swaps.append(fleet.swap(way))
        time.sleep(max(0.0, began + options.seconds - time.monotonic()))
        print(f"{options.streams} streams for {time.monotonic() - began:.0f} s, {len(swaps)} swaps")
        well = report(load.stop(), swaps)
        return 0 if roll_back(deployment, fleet, options.streams // 4) and well else 1


if __name__ == "__main__":
    sys.exit(main())
