"""One request of the load: drawn, asked, and judged."""

import base64
import http.client
import json
import random
import time
from dataclasses import dataclass
from typing import Any

from faults import FAILURES, UNENDING, Behaviour, draw

# A request that nobody wants to leave must have ended after so many seconds.
LIMIT = 90.0
# What a client is told of an engine that has just gone.
NO_WORKER = (502, 503)
# Of a hundred clients, how many ask for what is refused, and how many leave an answer that would end.
BAD, LEAVING = 6, 15


@dataclass(frozen=True)
class Request:
    number: int
    path: str
    body: bytes
    streams: bool
    behaviour: Behaviour
    # Whether it is one that must be refused.
    bad: bool
    # The client leaves after so many seconds.
    leaves_after: float | None

    def __str__(self) -> str:
        asks = "a bad request" if self.bad else f"the engine {self.behaviour.kind}, {self.behaviour.pieces} pieces"
        leaves = f", leaves after {self.leaves_after:.1f} s" if self.leaves_after else ""
        return f"#{self.number} {self.path}{' streamed' if self.streams else ''}, {asks}{leaves}"


@dataclass
class Ending:
    """What the client saw."""

    status: int = 0
    text: str = ""
    # The body of an error, as a response or as an event in the stream.
    error: Any = None
    # The answer says that it is complete.
    complete: bool = False
    # The client has left.
    left: bool = False
    # What is no end at all.
    broken: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a request: `answered`, `failed`, `cancelled`, or `unaccounted`."""

    kind: str
    detail: str = ""


def drawn_request(seed: int, number: int, model: str) -> Request:
    """The request of this number."""
    chance = random.Random(f"{seed}/client/{number}")
    behaviour = draw(seed, number)
    chat, streams = chance.random() < 0.5, chance.random() < 0.6
    bad = chance.random() * 100 < BAD
    padding = "x" * chance.choice((0, 0, 0, 0, 500, 5_000, 100_000))
    prompt = f"#{number} {padding}"
    body: dict[str, Any] = {"model": model, "max_tokens": 1000, "stream": streams}
    body |= {"messages": [{"role": "user", "content": prompt}]} if chat else {"prompt": prompt}
    if bad:
        body |= chance.choice(({"max_tokens": -1}, {"model": "nobody"}, {"temperature": "hot"}, {"stop": {}}))
    leaves_after = None
    if behaviour.kind in UNENDING:
        leaves_after = chance.uniform(0.3, 8)
    elif chance.random() * 100 < LEAVING:
        leaves_after = chance.uniform(0.0, 1.5)
    path = "/v1/chat/completions" if chat else "/v1/completions"
    return Request(number, path, json.dumps(body).encode(), streams, behaviour, bad, leaves_after)


def drawn_image(seed: int, number: int, model: str) -> Request:
    """A request for an image of a few hundred KiB."""
    chance = random.Random(f"{seed}/image/{number}")
    body = {
        "model": model,
        "prompt": f"a lake [pad {chance.randint(50, 800)}K]",
        "size": "64x64",
        "response_format": "b64_json",
        "nvext": {"num_inference_steps": 1},
    }
    leaves_after = chance.uniform(0.0, 0.5) if chance.random() < 0.4 else None
    path = "/v1/images/generations"
    return Request(number, path, json.dumps(body).encode(), False, Behaviour("image"), False, leaves_after)


def ask(port: int, request: Request) -> Ending:
    """Asks the frontend, until there is an end or the client leaves."""
    ending = Ending()
    deadline = time.monotonic() + (LIMIT if request.leaves_after is None else request.leaves_after)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.connect()
        connection.request("POST", request.path, request.body, {"content-type": "application/json"})
        reader = _Reader(connection, deadline)
        reply = reader.reply()
        ending.status = reply.status
        if reply.status != 200:
            ending.error = _json_of(reader.rest(reply))
        elif request.streams:
            _read_stream(reader, reply, ending)
        else:
            _read_whole(json.loads(reader.rest(reply)), ending)
    except TimeoutError:
        ending.left = request.leaves_after is not None
        ending.broken = "" if ending.left else f"no end after {LIMIT:.0f} s"
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        ending.broken = repr(error)
    finally:
        connection.close()
    return ending


def judge(request: Request, ending: Ending, outage: bool) -> Outcome:
    """What became of a request. `outage`: the engine was gone for some of the time."""
    if ending.left:
        return Outcome("cancelled")
    if ending.broken:
        return Outcome("unaccounted", ending.broken)
    if ending.error is not None:
        return _judge_failure(request, ending, outage)
    if request.bad or request.behaviour.kind in FAILURES:
        return Outcome("unaccounted", f"answered: {ending.text[-200:]!r}")
    if request.behaviour.kind == "image":
        return Outcome("answered") if ending.complete else Outcome("unaccounted", "no image")
    if not ending.complete or ending.text != request.behaviour.text:
        return Outcome("unaccounted", f"not whole, {len(ending.text)} characters: {ending.text[-200:]!r}")
    return Outcome("answered")


def _judge_failure(request: Request, ending: Ending, outage: bool) -> Outcome:
    error = ending.error
    # Without a model in its list the frontend has no such route, and says so without a body.
    if outage and ending.status == 404 and (error == "" or _is_typed(error)):
        return Outcome("failed", "404 without a worker")
    if not _is_typed(error) or ending.status not in (200, error["code"]):
        return Outcome("unaccounted", f"without a type, HTTP {ending.status}: {error!r}")
    code = error["code"]
    expected = (400, 404) if request.bad else (FAILURES.get(request.behaviour.kind),)
    if code in expected:
        return Outcome("failed", str(code))
    if outage and code in NO_WORKER:
        return Outcome("failed", f"{code} without an engine")
    return Outcome("unaccounted", f"failed without a cause: {error}")


def _is_typed(error: Any) -> bool:
    if not isinstance(error, dict):
        return False
    says = error.get("type"), error.get("message")
    return isinstance(error.get("code"), int) and all(isinstance(word, str) and word for word in says)


class _Reader:
    """Reads what comes, up to the deadline."""

    def __init__(self, connection: http.client.HTTPConnection, deadline: float) -> None:
        self._connection = connection
        # A reply takes the socket over when the server wants to close it.
        self._socket = connection.sock
        self._deadline = deadline

    def reply(self) -> http.client.HTTPResponse:
        self._hurry()
        return self._connection.getresponse()

    def line(self, reply: http.client.HTTPResponse) -> bytes:
        self._hurry()
        return reply.readline()

    def rest(self, reply: http.client.HTTPResponse) -> str:
        self._hurry()
        return reply.read().decode()

    def _hurry(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)


def _read_stream(reader: _Reader, reply: http.client.HTTPResponse, ending: Ending) -> None:
    pieces: list[str] = []
    finished = done = False
    while line := reader.line(reply).decode():
        data = line.strip().removeprefix("data: ")
        if not line.startswith("data: "):
            continue
        if data == "[DONE]":
            done = True
            continue
        chunk = json.loads(data)
        if done or ending.error is not None:
            ending.broken = f"after the end came {data}"
        elif "choices" not in chunk:
            ending.error = chunk["error"]
        for choice in chunk.get("choices", []):
            pieces.append((choice.get("delta") or {}).get("content") or choice.get("text") or "")
            finished |= choice.get("finish_reason") is not None
    ending.text = "".join(pieces)
    ending.complete = done and finished
    if not done:
        ending.broken = ending.broken or f"the stream was cut after {ending.text[-200:]!r}"


def _read_whole(answer: dict[str, Any], ending: Ending) -> None:
    if "data" in answer:
        [image] = answer["data"]
        ending.complete = base64.b64decode(image["b64_json"], validate=True).startswith(b"\x89PNG")
        return
    [choice] = answer["choices"]
    ending.text = choice["message"]["content"] if "message" in choice else choice["text"]
    ending.complete = choice.get("finish_reason") is not None


def _json_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
