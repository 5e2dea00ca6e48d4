#!/usr/bin/env python3
"""What becomes of requests, and of what a host holds, while its engine breaks at random for a long time.

    make endurance [MINUTES=30] [SEED=1]

Starts the real frontend and two hosts with the plugin `llama_cpp`, each on an engine double that breaks as it is
drawn from SEED (tests/e2e/faults.py). CLIENTS ask the first host without a pause: they stream or wait, ask what must
be refused, or leave. Meanwhile its plugin is swapped, broken files are refused, and its engine ends now and then.
From the second host STREAMS clients read one stream each for the whole run. A third one, on the stand-in for
SGLang's diffusion server, makes images, which it holds for its plugin.

Every request must be answered whole, fail with the status and type that fits what the engine did, or be left by
its client. Where the engine was gone meanwhile, 502, 503, or the frontend's empty 404 for a model without a worker
fit. After a quiet time the host must hold no more than it did after the warm-up. Exits with 1 otherwise.
"""

import argparse
import dataclasses
import http.client
import itertools
import json
import signal
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from endure.load import Clients, Images, Ledger, Load, Outages, Streams, crowd  # noqa: E402
from endure.operator import PLUGIN, Operator, compile_ahead  # noqa: E402
from endure.verdict import Verdict  # noqa: E402
from endure.watch import MIB, Held, Sampler, engine_at_work, held, table, threads_of  # noqa: E402
from faults import draw  # noqa: E402
from harness.deployment import Deployment, Worker  # noqa: E402
from harness.engines import Engine, procedural  # noqa: E402
from harness.process import Failed, wait_until  # noqa: E402

DOUBLE = Path(__file__).resolve().parents[1] / "e2e" / "faulty_engine.py"
# As in production, whatever the shell says: a backtrace for each failure reads all debug information.
ENVIRONMENT = {"DYN_LOG": "warn", "RUST_BACKTRACE": "0"}
CLIENTS = 24
IMAGE_CLIENTS = 2
STREAMS = 32
# The pace of those: some ten pieces a second.
STREAM_PACE = 0.09
# What an instance of a plugin has touched stays in memory for the next one, up to a MiB for each of 128 that are not
# in use. A crowd fills that up at once; otherwise it takes an hour, and looks like a leak meanwhile.
CROWD, CROWD_PROMPT = 160, 300_000
# After it, what is made once is there. In seconds, of a run of half an hour and of the shortest.
WARM_UP, SHORTEST_WARM_UP = 90.0, 10.0
# What the engine says makes no sense counts against the version that was told it: in a few dozen requests of an
# engine like this one any version would be sent back.
PROBATION = 0
# Longer than a thread of tokio waits for work (10 s), and than the double keeps an idle connection (5 s). In seconds.
QUIET = 12
# The health check of the host's plugin: it says no number.
QUESTION = {"messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}
# Shorter runs say nothing about growth, in minutes.
JUDGED_FROM = 10.0


def engine_double(name: str, seed: int, plugin: Path, folder: Path) -> Engine:
    command = f"{sys.executable} {DOUBLE} --seed {seed}"
    cache = str(folder / "cache")
    return Engine(
        name=name,
        plugin=str(plugin),
        model=DOUBLE,  # any file: the double reads none
        program=[Path(sys.executable).name],
        arguments=["--engine-command", command, "--plugin-cache", cache, "--plugin-probation", str(PROBATION)],
    )


def scratch(folder: Path) -> Path:
    """Where the hosts put the files of the moment."""
    place = folder / "scratch"
    place.mkdir(exist_ok=True)
    return place


class Run:
    """The deployment under load."""

    def __init__(self, deployment: Deployment, folder: Path, seed: int) -> None:
        self.deployment = deployment
        file = folder / "llama_cpp.wasm"
        file.write_bytes(Operator.first_version())
        compile_ahead(folder, folder / "cache")
        environment = {**ENVIRONMENT, "TMPDIR": str(scratch(folder))}

        def start(name: str, engine: Engine) -> Worker:
            worker = deployment.start_worker(engine, environment=environment, name=name)
            worker.await_listed()
            return worker

        self.restless = start("restless", engine_double("restless", seed, file, folder))
        self.steady = start("steady", engine_double("steady", seed, PLUGIN, folder))
        self.images = start("images", procedural("image"))
        self.hosts = (self.restless, self.steady, self.images)
        self.outages, self.ledger = Outages(), Ledger()
        port = deployment.http_port
        self.loads = (
            Load(port, self.restless.model, seed, CLIENTS, self.ledger, self.outages),
            Images(port, self.images.model, seed, IMAGE_CLIENTS, self.ledger),
        )
        self.operator = Operator(self.restless, self._listed, file, seed, self.outages)
        self._under_way: list[Operator | Clients | Streams | Sampler] = []
        self._seed = seed

    def _listed(self) -> bool:
        return self.restless.model in self.deployment.models()

    def warm_up(self, seconds: float) -> None:
        stalls = next(number for number in itertools.count() if draw(self._seed, number).kind == "stalls")
        crowd(self.deployment.http_port, self.restless.model, stalls, CROWD, CROWD_PROMPT)
        self._start()
        time.sleep(seconds)
        self._stop()

    def go_on(self, minutes: float) -> tuple[Sampler, Streams]:
        """Load for so long, with a table of it."""
        sampler = Sampler(*self.hosts)
        heading, row = table(self._columns(time.monotonic(), sampler))
        print(heading, flush=True)
        streams = self._start()
        self._under_way.append(sampler)
        begun = time.monotonic()
        rows = max(round(minutes), 3)
        for number in range(1, rows + 1):
            time.sleep(max(0.0, begun + number * minutes * 60 / rows - time.monotonic()))
            print(row(), flush=True)
        self._stop()
        return sampler, streams

    def _start(self) -> Streams:
        endless = next(number for number in itertools.count() if _is_slow_and_endless(self._seed, number))
        streams = Streams(self.deployment.http_port, self.steady.model, endless, STREAMS)
        self._under_way = [self.operator, *self.loads, streams]
        self.operator.start()
        for load in self.loads:
            load.start()
        return streams

    def _stop(self) -> None:
        # While it waits for an engine, clients are still there.
        self.operator.stop()
        self.tell_to_stop()
        for each in self._under_way:
            each.stop()

    def tell_to_stop(self) -> None:
        for each in self._under_way:
            each.tell_to_stop()

    def _columns(self, begun: float, sampler: Sampler) -> list:
        now: dict[str, Held] = {}

        def last(worker: Worker):
            return lambda: f"{sampler.of[worker].samples[-1][1] / MIB:.1f}"

        def minutes() -> str:
            now["held"] = held(self.restless)
            return f"{(time.monotonic() - begun) / 60:.1f}"

        def of_host(name: str):
            return lambda: getattr(now["held"], name)

        def engine() -> object:
            try:
                return engine_at_work(self.restless)["connections"]
            except (Failed, OSError, http.client.HTTPException):
                return "gone"

        outcomes, done = self.ledger.outcomes, self.operator.done
        return [
            ("min", minutes),
            ("asked", lambda: self.ledger.asked),
            ("answered", lambda: outcomes["answered"]),
            ("failed", lambda: outcomes["failed"]),
            ("cancelled", lambda: outcomes["cancelled"]),
            ("unaccounted", lambda: outcomes["unaccounted"]),
            ("swaps", lambda: sum(count for name, count in done.items() if name.startswith("swaps"))),
            ("refused", lambda: done["refusals"]),
            ("restarts", of_host("restarts")),
            ("MiB", lambda: f"{now['held'].pss / MIB:.1f}"),
            ("sockets", of_host("sockets")),
            ("threads", lambda: now["held"].threads.total()),
            ("tasks", of_host("tasks")),
            ("instances", of_host("instances")),
            ("in flight", of_host("in_flight")),
            ("live", of_host("live")),
            ("engine", engine),
            ("steady MiB", last(self.steady)),
            ("images MiB", last(self.images)),
            ("media", lambda: held(self.images).blobs),
        ]

    def quiet(self) -> tuple[dict[Worker, Held], dict[Worker, dict[str, int]]]:
        """What the hosts hold, and what the doubles are at, once nobody asks any more."""
        for host in self.hosts:
            try:
                wait_until(lambda: held(host).in_flight == 0 and held(host).live == 1, 60, f"{host.model} to be idle")
            except Failed as error:
                print(error)  # the numbers say the rest
        # Connections that the engine has closed meanwhile are noticed with the next request.
        for host in (self.restless, self.steady):
            self._ask_once(host)
        # Threads for files come and go; one that leaks stays.
        threads = {host: threads_of(host) for host in self.hosts}
        for _ in range(QUIET):
            time.sleep(1)
            for host in self.hosts:
                threads[host] &= threads_of(host)
        at_work = {host: engine_at_work(host) for host in (self.restless, self.steady)}
        now = {host: dataclasses.replace(held(host), threads=threads[host]) for host in self.hosts}
        return now, at_work

    def _ask_once(self, worker: Worker) -> None:
        body = json.dumps({"model": worker.model, **QUESTION}).encode()
        url = f"{self.deployment.url}/v1/chat/completions"
        call = urllib.request.Request(url, body, {"content-type": "application/json"})
        with urllib.request.urlopen(call, timeout=60) as reply:
            reply.read()


def _is_slow_and_endless(seed: int, number: int) -> bool:
    drawn = draw(seed, number)
    return drawn.kind == "endless" and drawn.pace >= STREAM_PACE


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))


def measure(run: Run, minutes: float) -> Verdict:
    run.warm_up(max(SHORTEST_WARM_UP, min(WARM_UP, minutes * 6)))
    before, _ = run.quiet()
    sampler, streams = run.go_on(minutes)
    after, at_work = run.quiet()

    ledger, operator, verdict = run.ledger, run.operator, Verdict()
    print(f"\nrequests: {ledger.asked}, {_listed(ledger.outcomes)}")
    print(f"failed with: {_listed(ledger.details)}")
    print(f"operator: {_listed(operator.done)}")
    verdict.none("unaccounted", len(ledger.faults))
    verdict.none("faults of swaps and restarts", len(operator.faults))
    for host in run.hosts:
        verdict.leaks(host.model, before[host], after[host])
    for host, left in at_work.items():
        verdict.engine(host.model, left)
    print(f"long streams: {STREAMS}, {min(streams.pieces)} to {max(streams.pieces)} pieces each")
    verdict.none("long streams that ended or lost a piece", len(streams.faults))
    for fault in streams.faults:
        print(f"  {fault}")
    if minutes < JUDGED_FROM:
        print(f"memory: judged in runs of {JUDGED_FROM:g} minutes and more")
        return verdict
    grown = {host: verdict.growth(host.model, sampler.of[host]) for host in run.hosts}
    each = grown[run.steady] / STREAMS / 1024
    print(f"growth of each long stream: {each:+.1f} KiB in {minutes / 3:.0f} minutes")
    return verdict


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Deployment(say=print) as deployment:
            deployment.start_frontend()
            run = Run(deployment, folder, options.seed)
            print(f"seed {options.seed}, {options.minutes:g} minutes, {CLIENTS} clients, {STREAMS} long streams")
            try:
                verdict = measure(run, options.minutes)
            finally:
                # What is being stopped waits for its clients.
                run.tell_to_stop()
        verdict.none("files and folders left behind", len(list(scratch(folder).iterdir())))
        print("endured" if verdict.well else "failed", flush=True)
        return 0 if verdict.well else 1


def _leave(number: int, _: object) -> None:
    """Leaves through the deployment's end, once: it takes as long as it takes."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
