"""Other workers of the namespace, by endpoint (`namespace.component.endpoint`)."""

import json
from typing import Any

from ._host import Held, asked, imported
from .chunks import parse_chunk

_peers = imported("peers")

# Chunks asked for at once.
_BATCH = 64


class Reply(Held):
    """The response of another worker, to be read here or to be the source of a step.

    Let go of before its end it gives the request up there.
    """

    def next(self) -> list[Any]:
        """Waits for at least one chunk, then returns what has arrived; none at the end."""
        return [parse_chunk(chunk) for chunk in asked(self._handle.next, _BATCH)]

    def collect(self) -> list[Any]:
        """All chunks to the end."""
        chunks = []
        while more := self.next():
            chunks += more
        return chunks


def open(endpoint: str, body: Any) -> Reply:
    """Sends `body` to one of the workers that serve `endpoint`. Needs `peers`."""
    return Reply(asked(_peers.open, endpoint, json.dumps(body).encode()))
