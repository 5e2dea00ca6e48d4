"""The operator: swaps plugins, good and broken ones, and ends the engine. What comes next is drawn from the seed."""

import hashlib
import http.client
import random
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from faulty_engine import CRASHES
from harness.deployment import HOST_BINARY, PLUGINS, Worker
from harness.process import Failed, wait_until
from swap import order, shown

from .background import Background
from .load import Outages

# A version that nobody has seen waits for a compiler that gives way to all else.
PATIENCE = 600.0
FRESH = 0.03
PAUSE = (1.0, 6.0)
# The host waits the longer for its engine the sooner it ends again, if it was not up for a minute.
BETWEEN_CRASHES = (65.0, 95.0)
FIRST_CRASH = (4.0, 8.0)
PLUGIN = PLUGINS / "llama_cpp.wasm"


def version(mark: str) -> bytes:
    """The plugin with a mark nobody reads, as a custom section: good, and of a digest of its own."""
    name = b"endurance"
    content = bytes([len(name)]) + name + mark.encode()
    if len(content) > 127:
        raise ValueError(f"a mark of {len(mark)} bytes")
    return PLUGIN.read_bytes() + bytes([0, len(content)]) + content


def broken_files() -> dict[str, bytes]:
    """Files that must be refused."""
    good = PLUGIN.read_bytes()
    return {
        "half": good[: len(good) // 2],
        "empty": b"",
        "no component": b"<html>not found</html>",
        "another plugin": (PLUGINS / "rerank.wasm").read_bytes(),
    }


def compile_ahead(folder: Path, cache: Path) -> None:
    """Compiles what is swapped in again and again."""
    files = {"one.wasm": version("one"), "two.wasm": version("two"), "another.wasm": broken_files()["another plugin"]}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    words = [HOST_BINARY, "plugin", "compile", "--plugin-cache", cache, *(folder / name for name in files)]
    subprocess.run(words, check=True, capture_output=True)


class Operator(Background):
    """Works on one worker until told to stop."""

    def __init__(self, worker: Worker, listed: Callable[[], bool], file: Path, seed: int, outages: Outages) -> None:
        super().__init__()
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._worker, self._listed, self._file, self._outages = worker, listed, file, outages
        self._chance = random.Random(f"{seed}/operator")
        self._broken = broken_files()
        self._known = [version("one"), version("two")]
        self._fresh = 0
        self._serving = self._known[0]
        self._next_crash = 0.0

    @staticmethod
    def first_version() -> bytes:
        return version("one")

    def start(self) -> None:
        self._next_crash = time.monotonic() + self._chance.uniform(*FIRST_CRASH)
        self._begin(self._run)

    def _run(self) -> None:
        works = {self._swap: 5, self._swap_by_route: 3, self._swap_by_signal: 1, self._reload_the_same: 1,
                 self._be_refused: 3, self._go_back: 1}
        while not self._over.wait(self._chance.uniform(*PAUSE)):
            if time.monotonic() >= self._next_crash:
                work = self._chance.choice((self._crash, self._swap_while_there_is_no_engine))
            else:
                [work] = self._chance.choices(list(works), list(works.values()))
            try:
                work()
            except (Failed, AssertionError, OSError, ValueError, http.client.HTTPException) as error:
                self.faults.append(f"{work.__name__.strip('_')}: {error!r}")
                print(f"fault: {self.faults[-1]}", flush=True)

    def _swap(self) -> None:
        self._put(self._next())
        self._await_serving()
        self.done["swaps by file"] += 1

    def _swap_by_route(self) -> None:
        self._put(self._next())
        status, answer = order(self._worker, "reload")
        assert status == 200, answer
        self._await_serving()
        self.done["swaps by route"] += 1

    def _swap_by_signal(self) -> None:
        self._put(self._next())
        self._worker.process.signal(signal.SIGHUP)
        self._await_serving()
        self.done["swaps by signal"] += 1

    def _reload_the_same(self) -> None:
        status, answer = order(self._worker, "reload")
        assert status == 200 and answer["plugins"][0]["outcome"] == "unchanged", answer
        self.done["reloads of the same"] += 1

    def _be_refused(self) -> None:
        name = self._chance.choice(sorted(self._broken))
        before = self._serving
        self._write(self._broken[name])
        status, answer = order(self._worker, "reload")
        assert status == 500, f"{name}: {answer}"
        assert self._digest_shown() == _digest(before), f"{name} serves"
        # What lies there when the host looks again is what serves.
        self._write(before)
        status, answer = order(self._worker, "reload")
        assert status == 200, answer
        self.done["refusals"] += 1

    def _go_back(self) -> None:
        self._swap()
        before = shown(self._worker, "llama_cpp")["last_switch"]["from"]["digest"]
        status, answer = order(self._worker, "rollback")
        assert status == 200, answer
        assert self._digest_shown() == before, "another version came back"
        self._put(self._next())
        self._await_serving()
        self.done["rollbacks"] += 1

    def _crash(self) -> None:
        """Ends the engine, and waits until it serves again."""
        self._outages.begin()
        self._end_engine()
        self._await_return()
        self.done["crashes"] += 1

    def _swap_while_there_is_no_engine(self) -> None:
        self._outages.begin()
        self._end_engine()
        self._put(self._next())
        self._await_return()
        self._await_serving()
        self.done["crashes with a swap"] += 1

    def _end_engine(self) -> None:
        how = self._chance.choice(sorted(CRASHES))
        engine = self._worker.engine_process()
        assert engine, "the engine's process was not found"
        body = f'{{"prompt": "{how}"}}'.encode()
        try:
            urllib.request.urlopen(f"{self._worker.engine_url()}/v1/completions", body, timeout=10)
        except (OSError, http.client.HTTPException):
            pass
        gone = lambda: self._worker.status("/health")[0] != 200  # noqa: E731
        wait_until(gone, PATIENCE, f"the host to notice {how}")

    def _await_return(self) -> None:
        back = lambda: self._worker.status("/health")[0] == 200 and self._listed()  # noqa: E731
        wait_until(back, PATIENCE, "the engine to be back")
        self._outages.end()
        self._next_crash = time.monotonic() + self._chance.uniform(*BETWEEN_CRASHES)

    def _next(self) -> bytes:
        """Another version than the one that serves; now and then one that nobody has seen."""
        if self._chance.random() < FRESH:
            self._fresh += 1
            return version(f"fresh {self._fresh}")
        return next(known for known in self._known if known != self._serving)

    def _put(self, plugin: bytes) -> None:
        self._serving = plugin
        self._write(plugin)

    def _write(self, content: bytes) -> None:
        beside = self._file.with_suffix(".new")
        beside.write_bytes(content)
        beside.replace(self._file)

    def _await_serving(self) -> None:
        serving = lambda: self._digest_shown() == _digest(self._serving)  # noqa: E731
        try:
            wait_until(serving, PATIENCE, "the new version to serve")
        except Failed as error:
            now = shown(self._worker, "llama_cpp")
            raise Failed(f"{error}: {now}") from None

    def _digest_shown(self) -> str:
        return shown(self._worker, "llama_cpp")["digest"]


def _digest(plugin: bytes) -> str:
    return f"sha256:{hashlib.sha256(plugin).hexdigest()}"
