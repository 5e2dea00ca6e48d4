"""Response chunks on their way out, engine events on their way in."""

import json
from typing import Any

import umsgpack

from wit_world.exports import worker as contract
from wit_world.imports.calls import InlayForm

from .errors import Failed, Kind
from .media import Blob, inlay


class Chunks:
    """The chunks of a response, in order. Each is written once, as the MessagePack the host sends."""

    def __init__(self) -> None:
        self.encoded: list[bytes] = []
        self.inlays: list[contract.ChunkInlay] = []

    def send(self, chunk: Any) -> None:
        """Appends a chunk."""
        self.encoded.append(umsgpack.packb(chunk))

    def send_with(self, chunk: Any, at: str, blob: Blob) -> None:
        """Appends a chunk in which the host writes `blob` where the JSON pointer `at` leads, in base64.

        Something must stand there, such as None.
        """
        self.inlays.append(contract.ChunkInlay(len(self.encoded), inlay(at, blob, InlayForm.BASE64)))
        self.send(chunk)

    def send_encoded(self, chunk: bytes) -> None:
        """Appends a chunk that is encoded already, such as one of another worker's."""
        self.encoded.append(chunk)


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
