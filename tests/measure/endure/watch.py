"""What a host holds, as /proc, its own routes and its engine say it."""

import json
import os
import re
import statistics
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faulty_engine import AT_WORK
from harness.deployment import Worker

from .background import Background

MIB = 1 << 20
EVERY = 5.0
# States of a TCP socket, as the kernel numbers them.
ESTABLISHED, LISTENING = "01", "0A"
STATES = {ESTABLISHED: "established", "08": "closed by the peer", LISTENING: "listening"}
# A connection that came in, and that nobody has closed: the frontend's.
OF_FRONTEND = "socket, established, came in"


@dataclass(frozen=True)
class Held:
    """What one host holds at one moment."""

    pss: int
    descriptors: Counter[str]
    # By their names.
    threads: Counter[str]
    all_tasks: int
    instances: int
    blobs: int
    in_flight: int
    live: int
    restarts: int

    @property
    def sockets(self) -> int:
        """Without those that a frontend keeps open, of which it makes more as it needs them."""
        return _sockets(self.descriptors) - self.descriptors[OF_FRONTEND]

    @property
    def tasks(self) -> int:
        """Without those that read and write the frontend's connections."""
        return self.all_tasks - 2 * self.descriptors[OF_FRONTEND]

    @property
    def others(self) -> int:
        """Descriptors that are no sockets."""
        return self.descriptors.total() - _sockets(self.descriptors)


def held(worker: Worker) -> Held:
    process = Path(f"/proc/{worker.process.pid}")
    # First, since asking changes it: for its metrics the host asks the engine, and then keeps the connection for
    # a while, and a thread.
    descriptors, threads = _descriptors(process), threads_of(worker)
    _, metrics = worker.status("/metrics")
    [plugin] = json.loads(worker.status("/engine/plugin")[1])["plugins"]
    return Held(
        pss=pss(worker),
        descriptors=descriptors,
        threads=threads,
        all_tasks=_metric(metrics, "dynamo_host_tasks"),
        instances=_metric(metrics, "dynamo_host_plugin_instances"),
        blobs=_metric(metrics, "dynamo_host_media_blobs"),
        in_flight=sum(version["in_flight"] for version in plugin["live"]),
        live=len(plugin["live"]),
        restarts=_metric(metrics, "dynamo_host_engine_restarts_total"),
    )


def threads_of(worker: Worker) -> Counter[str]:
    """Threads by their names."""
    names: Counter[str] = Counter()
    for thread in Path(f"/proc/{worker.process.pid}/task").iterdir():
        try:
            names[(thread / "comm").read_text().strip()] += 1
        except OSError:
            continue  # ended meanwhile
    return names


def pss(worker: Worker) -> int:
    """The host's share of the memory there is, in bytes."""
    rollup = Path(f"/proc/{worker.process.pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)[1]) * 1024


def engine_at_work(worker: Worker) -> dict[str, int]:
    """Connections to the engine, and requests it is at, by its own account."""
    with urllib.request.urlopen(worker.engine_url() + AT_WORK, timeout=10) as reply:
        return json.load(reply)


class Memory:
    """A series of samples: when, and how many bytes."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []

    def add(self, worker: Worker) -> None:
        self.samples.append((time.monotonic(), pss(worker)))

    def thirds(self) -> tuple[float, float]:
        """The medians of the second and of the last third of the time, in bytes."""
        begin, end = self.samples[0][0], self.samples[-1][0]
        third = (end - begin) / 3

        def median(of: int) -> float:
            start = begin + of * third
            return statistics.median(size for at, size in self.samples if start <= at <= start + third)

        return median(1), median(2)


class Sampler(Background):
    """Samples the memory of workers until told to stop."""

    def __init__(self, *workers: Worker) -> None:
        super().__init__()
        self.of = {worker: Memory() for worker in workers}
        self._begin(self._run)

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            for worker, memory in self.of.items():
                memory.add(worker)


def table(columns: list[tuple[str, Callable[[], object]]]) -> tuple[str, Callable[[], str]]:
    """A heading, and what writes a row below it."""
    widths = [max(len(name), 5) for name, _ in columns]
    heading = "  ".join(name.rjust(width) for (name, _), width in zip(columns, widths))
    return heading, lambda: "  ".join(str(value()).rjust(width) for (_, value), width in zip(columns, widths))


def _descriptors(process: Path) -> Counter[str]:
    """Open file descriptors by kind; TCP sockets by their state."""
    tcp = _tcp(process)
    kinds: Counter[str] = Counter()
    for descriptor in (process / "fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except FileNotFoundError:
            continue  # closed meanwhile
        kind, _, number = target.partition(":")
        if target.startswith("/"):
            kind = "file"
        elif kind == "socket":
            kind = tcp.get(number.strip("[]"), "socket, no TCP")
        kinds[kind] += 1
    return kinds


def _tcp(process: Path) -> dict[str, str]:
    """What there is to say of each TCP socket, by its inode."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in (process / "net" / name).read_text().splitlines()[1:]]
    # All processes' are listed; those of this one will be looked up.
    listening = {_port(line[1]) for line in lines if line[3] == LISTENING}
    return {line[9]: _socket(line[3], _port(line[1]) in listening) for line in lines}


def _socket(state: str, came_in: bool) -> str:
    if (state, came_in) == (ESTABLISHED, True):
        return OF_FRONTEND
    return f"socket, {STATES.get(state, state)}, {'came in' if came_in else 'went out'}"


def _sockets(descriptors: Counter[str]) -> int:
    return sum(count for kind, count in descriptors.items() if kind.startswith("socket"))


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _metric(text: str, name: str) -> int:
    """The sum of a family's samples."""
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if re.match(rf"{name}[ {{]", line)]
    if not values:
        raise ValueError(f"{name} is not in /metrics")
    return int(sum(map(float, values)))
