"""What a plugin can have done for a request."""

import json
from dataclasses import dataclass, field
from typing import Any

from wit_world.imports import calls as contract
from wit_world.imports.calls import Encoding, Framing, InlayForm

from ._host import asked, imported
from .media import Blob, inlay
from .peers import Reply

_engine = imported("engine")


@dataclass
class Call:
    """One HTTP exchange with the engine, in the engine's own words."""

    method: str
    path: str
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    # The member of the body under which the host writes the request's token ids.
    tokens_as: str | None = None
    framing: Framing = Framing.WHOLE
    inlays: list[contract.Inlay] = field(default_factory=list)
    encoding: Encoding = Encoding.PLAIN
    # The name of members of the answer whose text is a medium in base64.
    lifted: str | None = None

    @classmethod
    def get(cls, path: str) -> "Call":
        """A GET whose whole body is one event."""
        return cls("GET", path)

    @classmethod
    def post(cls, path: str, body: Any) -> "Call":
        """A POST of a JSON body; the whole answer is one event unless said otherwise."""
        return cls("POST", path, json.dumps(body).encode())

    def sse(self) -> "Call":
        """The answer comes as server-sent events."""
        self.framing = Framing.SSE
        return self

    def ndjson(self) -> "Call":
        """The answer comes as lines."""
        self.framing = Framing.NDJSON
        return self

    def medium(self) -> "Call":
        """The answer is a medium: `Converter.medium` gets it."""
        self.framing = Framing.BLOB
        return self

    def lift(self, member: str) -> "Call":
        """The answer is JSON whose members called `member` are media in base64.

        `Converter.medium` gets each, then `Converter.event` the rest, where a number stands for each: 0, 1, ...
        """
        self.lifted = member
        return self

    def form(self) -> "Call":
        """The body is sent as a form, its members as fields and its media as files."""
        self.encoding = Encoding.FORM
        return self

    def inlay(self, at: str, blob: Blob, form: InlayForm) -> "Call":
        """The host writes `blob` where the JSON pointer `at` leads in the body."""
        self.inlays.append(inlay(at, blob, form))
        return self

    def to_contract(self) -> contract.Call:
        return contract.Call(
            self.method,
            self.path,
            self.headers,
            self.body,
            self.tokens_as,
            self.inlays,
            self.encoding,
            self.framing,
            self.lifted,
        )


@dataclass
class Step:
    """What the host does next for a response: a call, or another worker's reply, after a while if need be."""

    source: Call | Reply
    after_ms: int = 0
    # Sent to the engine when the response is abandoned during this step.
    abort: Call | None = None

    def to_contract(self) -> contract.Step:
        abort = None if self.abort is None else self.abort.to_contract()
        return contract.Step(self._source(), self.after_ms, abort)

    def _source(self) -> contract.Source:
        if isinstance(self.source, Reply):
            return contract.Source_Peer(self.source.take())
        return contract.Source_Engine(self.source.to_contract())


@dataclass
class EngineReply:
    """What the engine answered to a control call, whatever its HTTP status."""

    status: int
    body: bytes


def send_to_engine(call: Call) -> EngineReply:
    """Sends a control call to the engine and waits for its answer. Needs `engine`."""
    reply = asked(_engine.send, call.to_contract())
    return EngineReply(reply.status, reply.body)
