"""What an author derives from."""

from dataclasses import dataclass, field
from typing import Any

from .calls import Call, Step
from .chunks import Chunks
from .errors import Failed, Kind
from .facts import Manifest, Registration, Setup
from .given import EngineReport, Prompt, Request, Start
from .media import Blob

# Returned by `Converter.event`: the response is complete, and what the engine still sends is not
# wanted. Not needed at an end-of-stream marker: there the stream ends by itself.
DONE = object()


class Converter:
    """Turns the engine's events into response chunks. One for each response."""

    def event(self, event: bytes, chunks: Chunks) -> Any:
        """One event of the engine's answer. Returns nothing, `DONE`, or a `Step` to go on with."""
        raise NotImplementedError

    def medium(self, medium: Blob, chunks: Chunks) -> Any:
        """A medium of the answer, which the call asked for (`Call.medium`, `Call.lift`). Returns as `event`."""
        raise Failed(Kind.INTERNAL, "this worker asks for no media")

    def engine_is_done(self) -> bool:
        """Asked when the response ends before the engine's stream: whether an abort is idle."""
        return False

    def finish(self, chunks: Chunks) -> None:
        """The source has ended. Say here, by `Failed`, if something is missing."""

    def rejected(self, status: int, body: bytes, chunks: Chunks) -> None:
        """The engine answered with a status that is not 2xx."""
        raise Failed.from_engine(status, body)


@dataclass
class Plan:
    """What to do with one request: begin with `next`, or, with none, answer with the preface."""

    next: Call | Step | None
    converter: Converter
    preface: Chunks = field(default_factory=Chunks)

    def step(self) -> Step | None:
        return Step(self.next) if isinstance(self.next, Call) else self.next


class Worker:
    """One worker type. See `wit/` for when the host calls what.

    What it knows once its engine is ready is its `state`: made once, by `configure`, and kept by the
    host as JSON. An instance may serve many requests, or one: keep nothing anywhere else.
    """

    def __init__(self, state: Any) -> None:
        self.state = state

    @classmethod
    def describe(cls) -> Manifest:
        """Who the plugin is."""
        raise NotImplementedError

    @classmethod
    def prepare(cls, start: Start) -> Setup | None:
        """How to start and how to meet the engine. None: other workers answer."""
        return None

    @classmethod
    def configure(cls, settings: dict[str, Any], engine: EngineReport) -> Any:
        """The state: what can be written as JSON."""
        return None

    def registration(self) -> Registration:
        """How the worker stands in Dynamo's discovery."""
        raise NotImplementedError

    def health_check(self) -> dict[str, Any]:
        """A request that costs little and passes through the whole worker."""
        raise NotImplementedError

    def warm_up(self) -> list[dict[str, Any]]:
        """Requests the host sends through the worker before it serves, all at once."""
        return []

    def plan(self, request: Request, prompt: Prompt) -> Plan:
        """Turns one request into an engine call."""
        raise NotImplementedError
