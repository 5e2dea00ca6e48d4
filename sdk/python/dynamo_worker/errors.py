"""Failures. Any other exception is one of kind `INTERNAL`, which the client does not see."""

import json

from wit_world.imports.types import Failure, Kind

_BY_STATUS = {
    400: Kind.INVALID_REQUEST,
    401: Kind.UNAUTHENTICATED,
    403: Kind.PERMISSION_DENIED,
    404: Kind.NOT_FOUND,
    408: Kind.DEADLINE_EXCEEDED,
    409: Kind.CONFLICT,
    413: Kind.PAYLOAD_TOO_LARGE,
    415: Kind.UNSUPPORTED_MEDIA,
    422: Kind.INVALID_REQUEST,
    429: Kind.RATE_LIMITED,
    431: Kind.PAYLOAD_TOO_LARGE,
    499: Kind.CANCELLED,
    501: Kind.NOT_IMPLEMENTED,
    502: Kind.BACKEND_PROTOCOL,
    503: Kind.UNAVAILABLE,
    504: Kind.DEADLINE_EXCEEDED,
    529: Kind.CAPACITY_EXHAUSTED,
}


class Failed(Exception):
    """A request that failed. `public` lets the client read the message."""

    def __init__(self, kind: Kind, message: str, public: bool = False) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.public = public

    @classmethod
    def invalid_request(cls, message: str) -> "Failed":
        """The caller's fault, told to the caller: name the member that was wrong."""
        return cls(Kind.INVALID_REQUEST, message, public=True)

    @classmethod
    def from_engine(cls, status: int, body: bytes) -> "Failed":
        """What an engine's HTTP error means: the kind by its status, its own message if it has one."""
        message = _engines_message(body)
        kind = _BY_STATUS.get(status, Kind.INTERNAL)
        if 400 <= status < 500:
            return cls(kind, message, public=True)
        return cls(kind, f"the engine answered {status}: {message}")

    def to_failure(self) -> Failure:
        return Failure(self.kind, self.message, self.public)


def failure_of(error: Exception) -> Failure:
    """Any exception as the host takes it."""
    if isinstance(error, Failed):
        return error.to_failure()
    return Failure(Kind.INTERNAL, f"{type(error).__name__}: {error}", False)


def _engines_message(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        answer = json.loads(text)
    except ValueError:
        return text[:512]
    if not isinstance(answer, dict):
        return text[:512]
    error = answer.get("error")
    inner = error.get("message") if isinstance(error, dict) else error
    found = (inner, answer.get("message"), answer.get("detail"))
    return next((words for words in found if isinstance(words, str)), text[:512])
