"""Response chunks on their way out, engine events on their way in."""

import json
from typing import Any

import umsgpack

from .errors import Failed, Kind


class Chunks:
    """The chunks of a response, in order. Each is written once, as the MessagePack the host sends."""

    def __init__(self) -> None:
        self.encoded: list[bytes] = []

    def send(self, chunk: Any) -> None:
        """Appends a chunk."""
        self.encoded.append(umsgpack.packb(chunk))


def parse_event(event: bytes) -> Any:
    """An event of the engine's answer, parsed as JSON. Fails with `BACKEND_PROTOCOL`."""
    try:
        return json.loads(event)
    except ValueError as error:
        shown = event[:120].decode(errors="replace")
        raise Failed(Kind.BACKEND_PROTOCOL, f"the engine sent malformed JSON ({error}): {shown}") from None


def parse_chunk(chunk: bytes) -> Any:
    """A chunk of another worker's response. Fails with `BACKEND_PROTOCOL`."""
    try:
        return umsgpack.unpackb(chunk)
    except umsgpack.UnpackException as error:
        raise Failed(Kind.BACKEND_PROTOCOL, f"another worker's chunk makes no sense: {error}") from None
