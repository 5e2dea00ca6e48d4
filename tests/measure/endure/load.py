"""The clients: those that ask one thing after another, and those that read one stream for the whole run."""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from .background import Background
from .requests import Outcome, ask, drawn_image, drawn_request, judge

# An outage still explains what was asked so many seconds after it: the frontend hears of it a little later.
AFTER_OUTAGE = 2.0
# Between two tries while no worker is listed, so that an outage is not counted in thousands.
PAUSE = 1.0
# Faults that are printed; all are counted.
SHOWN = 50


class Outages:
    """When there was no engine."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._open = False

    def begin(self) -> None:
        self._open = True

    def end(self) -> None:
        self._last = time.monotonic()
        self._open = False

    def explain(self, began: float) -> bool:
        """Whether a request that began then, and has just ended, met one."""
        return self._open or began < self._last + AFTER_OUTAGE


class Ledger:
    """What became of all requests."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.details: Counter[str] = Counter()
        self.faults: list[str] = []
        self._lock = threading.Lock()

    @property
    def asked(self) -> int:
        return self.outcomes.total()

    def enter(self, request: object, outcome: Outcome) -> None:
        with self._lock:
            self.outcomes[outcome.kind] += 1
            if outcome.kind == "failed":
                self.details[outcome.detail] += 1
            if outcome.kind == "unaccounted":
                self.faults.append(f"{request}: {outcome.detail}")
                if len(self.faults) <= SHOWN:
                    print(f"unaccounted: {self.faults[-1]}", flush=True)


class Clients(Background):
    """Clients that do one thing after another until told to stop."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def one(self, number: int) -> None:
        """Does the one of this number."""
        raise NotImplementedError

    def start(self) -> None:
        self._begin(*[self._client] * self._count)

    def _client(self) -> None:
        while not self._over.is_set():
            with self._lock:
                number = next(self._numbers)
            self.one(number)


class Load(Clients):
    """Asks for text, of an engine that breaks."""

    def __init__(self, port: int, model: str, seed: int, clients: int, ledger: Ledger, outages: Outages) -> None:
        super().__init__(clients)
        self._port, self._model, self._seed = port, model, seed
        self._ledger, self._outages = ledger, outages

    def one(self, number: int) -> None:
        request = drawn_request(self._seed, number, self._model)
        began = time.monotonic()
        outcome = judge(request, ask(self._port, request), self._outages.explain(began))
        self._ledger.enter(request, outcome)
        if "without a worker" in outcome.detail:
            time.sleep(PAUSE)


class Images(Clients):
    """Asks for images, which a host holds for its plugin; some clients leave."""

    def __init__(self, port: int, model: str, seed: int, clients: int, ledger: Ledger) -> None:
        super().__init__(clients)
        self._port, self._model, self._seed, self._ledger = port, model, seed, ledger

    def one(self, number: int) -> None:
        request = drawn_image(self._seed, number, self._model)
        self._ledger.enter(request, judge(request, ask(self._port, request), outage=False))


class Streams(Background):
    """Clients that read one endless stream each, until told to stop."""

    def __init__(self, port: int, model: str, number: int, count: int) -> None:
        """`number`: one for which the engine draws an endless answer."""
        super().__init__()
        self.pieces = [0] * count
        self.faults: list[str] = []
        self._port = port
        self._body = json.dumps({"model": model, "prompt": f"#{number}", "stream": True}).encode()
        self._begin(*(partial(self._read, place) for place in range(count)))

    def _read(self, place: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("POST", "/v1/completions", self._body, {"content-type": "application/json"})
            reply = connection.getresponse()
            while not self._over.is_set():
                line = reply.readline()
                if line.startswith(b"data: "):
                    self._take(place, json.loads(line.removeprefix(b"data: "))["choices"][0]["text"])
                elif not line:
                    raise ValueError("it was cut")
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            self.faults.append(f"long stream {place}, after {self.pieces[place]} pieces: {error!r}")
        finally:
            connection.close()

    def _take(self, place: int, text: str) -> None:
        if text != f"{self.pieces[place]} ":
            raise ValueError(f"{text!r} came")
        self.pieces[place] += 1


def crowd(port: int, model: str, number: int, count: int, padding: int) -> None:
    """So many clients are served at the same time, and leave together. `number`: one for which the engine draws an
    answer that stalls; `padding`: bytes of each prompt."""
    body = json.dumps({"model": model, "prompt": f"#{number} {'x' * padding}", "stream": True}).encode()
    all_here = threading.Barrier(count, timeout=300)

    def client(_: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        first = connection.getresponse().readline()
        if not first.startswith(b"data: "):
            all_here.abort()
            raise ValueError(f"a crowd was not served: {first!r}")
        all_here.wait()
        connection.close()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(client, range(count)))
