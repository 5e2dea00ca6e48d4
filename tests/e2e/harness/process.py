"""Processes, ports and waiting."""

import os
import random
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

# Everything we start, and everything that starts in turn, inherits this variable: a descendant is
# found even when it has left its process group or lost its parent.
MARK_NAME = "DYNAMO_HOST_HARNESS_RUN"

Answer = TypeVar("Answer")


class Failed(Exception):
    """Something did not come up; says what, and ends with the last lines of its log."""


def free_port() -> int:
    """A free TCP port on loopback, under 32768: Dynamo's system server takes no higher one, and
    below the range the kernel hands out it stays free until somebody asks for it by number."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Callable[[], Answer], within: float, what: str) -> Answer:
    """Asks until the answer is truthy and returns it; raises `Failed` after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"gave up after {within:.0f} s: {what}")
        time.sleep(0.1)


class Process:
    """One child in a session of its own, with its output in a file."""

    def __init__(self, name: str, argv: list[str], env: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._told_to_stop = False
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def running(self) -> bool:
        return self.child.poll() is None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 25) -> str:
        return "\n".join(self.output().splitlines()[-lines:])

    def await_ready(self, condition: Callable[[], object], within: float, what: str) -> None:
        """Waits like `wait_until`, but gives up at once when the process has exited."""

        def ready_or_gone() -> object:
            return condition() or not self.running

        try:
            wait_until(ready_or_gone, within, what)
        except Failed as error:
            raise Failed(f"{error}\n--- last lines of {self.name}\n{self.tail()}") from None
        if not self.running:
            raise Failed(
                f"{self.name} exited with {self.child.returncode} while waiting: {what}\n"
                f"--- last lines of {self.name}\n{self.tail()}"
            )

    def signal(self, number: signal.Signals) -> None:
        if self.running:
            self.child.send_signal(number)

    def wait(self, within: float) -> int:
        """The exit status; negative for a signal."""
        try:
            return self.child.wait(within)
        except subprocess.TimeoutExpired:
            raise Failed(
                f"{self.name} still runs after {within:.0f} s\n--- its last lines\n{self.tail()}"
            ) from None

    def terminate(self) -> None:
        """SIGTERM, once: a second one tells the host not to wait for anything."""
        if not self._told_to_stop:
            self._told_to_stop = True
            self.signal(signal.SIGTERM)

    def stop(self, grace: float) -> None:
        """SIGTERM, then SIGKILL to whatever is left of its process group."""
        self.terminate()
        try:
            self.child.wait(grace)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()


@dataclass(frozen=True)
class Running:
    """A process of this run, as /proc shows it."""

    pid: int
    argv: list[str]

    def option(self, name: str) -> str | None:
        """The word after `name` on its command line."""
        return self.argv[self.argv.index(name) + 1] if name in self.argv[:-1] else None


def _line(pid: int, parents: dict[int, int]) -> Iterator[int]:
    """A process, its parent, and so on."""
    while pid in parents:
        yield pid
        pid = parents[pid]


class Mark:
    """Finds the processes of one run."""

    def __init__(self) -> None:
        self.value = uuid.uuid4().hex

    def environment(self) -> dict[str, str]:
        return {**os.environ, MARK_NAME: self.value}

    def processes(self) -> Iterator[Running]:
        wanted = f"{MARK_NAME}={self.value}".encode()
        marked = set()
        parents = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    marked.add(int(entry.name))
            except OSError:
                continue  # gone, or another user's
            if state not in "ZX":
                parents[int(entry.name)] = int(parent)
        for pid in parents:
            # A process that renames itself, as SGLang's schedulers do, writes over its environment.
            if not marked.isdisjoint(_line(pid, parents)):
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
                except OSError:
                    continue
                yield Running(pid, [word.decode(errors="replace") for word in words])

    def kill_all(self) -> None:
        for process in self.processes():
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
