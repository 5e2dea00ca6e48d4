"""Images and videos, which stay with the host: a plugin names them, the host moves them."""

from dataclasses import dataclass, field

from wit_world.imports import calls as contract
from wit_world.imports.calls import InlayForm

from ._host import Held, asked, imported

_media = imported("media")


@dataclass
class Limits:
    """What one fetch may cost and bring. The operator's own limits hold besides."""

    max_bytes: int
    # How long it may take, redirects included.
    timeout_ms: int
    # Prefixes of the media types to take, such as `image/`; none for any.
    accept: list[str] = field(default_factory=list)


class Blob(Held):
    """An image, a video, or whatever else the host holds. Freed when nothing refers to it."""

    def size(self) -> int:
        """Bytes in it."""
        return self._handle.size()

    def content_type(self) -> str:
        """Its media type, such as `image/png`."""
        return self._handle.content_type()

    def read(self, offset: int, count: int) -> bytes:
        """The bytes from `offset` on, at most `count`, fewer at the end. For a look at a header."""
        return self._handle.read(offset, count)

    def store(self, name: str) -> str:
        """Writes it to the operator's store as `name`, a relative path; returns the URL. Needs `media`."""
        return asked(_media.store, name, self._handle)


def fetch(url: str, limits: Limits) -> Blob:
    """Fetches an `http`, `https` or `data` URL, as far as the operator's rules allow it. Needs `media`."""
    wanted = _media.Limits(limits.max_bytes, limits.timeout_ms, limits.accept)
    return Blob(asked(_media.fetch, url, wanted))


def inlay(at: str, blob: Blob, form: InlayForm) -> contract.Inlay:
    """A medium that the host writes into a document. The blob is given away with it."""
    return contract.Inlay(at, blob.take(), form)
