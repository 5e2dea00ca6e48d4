"""What a plugin can have done for a request."""

import json
from dataclasses import dataclass, field
from typing import Any

from wit_world.imports import calls as contract
from wit_world.imports.calls import Encoding, Framing


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

    def to_contract(self) -> contract.Call:
        return contract.Call(
            self.method,
            self.path,
            self.headers,
            self.body,
            self.tokens_as,
            [],
            Encoding.PLAIN,
            self.framing,
            None,
        )


@dataclass
class Step:
    """What the host does next for a response: a call, after a while if need be."""

    call: Call
    after_ms: int = 0
    # Sent to the engine when the response is abandoned during this step.
    abort: Call | None = None

    def to_contract(self) -> contract.Step:
        abort = None if self.abort is None else self.abort.to_contract()
        return contract.Step(contract.Source_Engine(self.call.to_contract()), self.after_ms, abort)
