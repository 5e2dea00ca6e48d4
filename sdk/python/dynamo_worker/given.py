"""What a worker is given."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wit_world.exports import worker as contract
from wit_world.imports import prompt, types
from wit_world.imports.types import Fresh

from .errors import Failed

__all__ = ["EngineReport", "Fresh", "Prompt", "Request", "Start"]


@dataclass
class Start:
    """What the host knows before there is an engine."""

    # Dynamo's flags by their names with `_` for `-`, and the plugin's own settings.
    settings: dict[str, Any]
    model_path: str | None
    served_name: str | None
    # The operator's flags that are not the host's, in their order.
    arguments: list[str]
    # Where the engine must listen.
    host: str
    port: int
    # A directory for the engine's files.
    scratch: str

    @classmethod
    def of(cls, start: contract.Start) -> "Start":
        settings = json.loads(start.settings)
        model, name, words = start.model_path, start.served_name, start.arguments
        return cls(settings, model, name, words, start.host, start.port, start.scratch)


class EngineReport:
    """What the engine says about itself, once it is ready."""

    def __init__(self, report: types.EngineReport) -> None:
        self.model_path = report.model_path
        self.served_name = report.served_name
        self.address = report.address
        self._answers = dict(report.answers)
        self._files = dict(report.files)

    def answer(self, path: str) -> Any:
        """What the engine answered at `path`; None if it did not."""
        return _json(self._answers.get(path))

    def file(self, name: str) -> Any:
        """What stands in the model's file; None if there is none."""
        return _json(self._files.get(name))


class Request:
    """One request, without its prompt's token ids."""

    def __init__(self, request: types.Request) -> None:
        # Clients choose it: never use it as the engine's request id.
        self.id = request.id
        self.token_count = request.token_count
        self.trace_headers = request.trace_headers
        self.adapters = request.adapters
        self.probe = request.probe
        # What must be new for each request: request_id, bootstrap_room, seed, unix_millis.
        self.fresh: Fresh = request.fresh
        self._body = request.body

    def parse(self) -> dict[str, Any]:
        """The body. Fails with `INVALID_REQUEST` unless it is an object."""
        body = _json(self._body)
        if not isinstance(body, dict):
            raise Failed.invalid_request("the request body: an object is wanted")
        return body


class Prompt:
    """The token ids of the request, which stay with the host until they are read."""

    _PIECE = 4096

    def __init__(self, tokens: prompt.Tokens) -> None:
        self._tokens = tokens

    def read(self, start: int, count: int) -> list[int]:
        """The ids from `start` on, at most `count`, fewer at the end."""
        return self._tokens.read(start, count)

    def __iter__(self) -> Iterator[int]:
        start = 0
        while piece := self.read(start, self._PIECE):
            yield from piece
            start += len(piece)


def _json(document: bytes | None) -> Any:
    return None if document is None else json.loads(document)
