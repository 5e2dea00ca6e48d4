"""The host's log. Needs the import `log`.

`info("%d bytes", size)`: the message is put together only if it is read.
"""

from ._host import imported

_log = imported("log")


def _write(level: str, message: str, values: tuple[object, ...]) -> None:
    wanted = _log.Level[level]
    if _log.enabled(wanted):
        _log.write(wanted, message % values if values else message)


def warn(message: str, *values: object) -> None:
    """Writes a warning."""
    _write("WARN", message, values)


def info(message: str, *values: object) -> None:
    """Writes what an operator wants to see once."""
    _write("INFO", message, values)


def debug(message: str, *values: object) -> None:
    """Writes what only someone looking for a fault wants to see."""
    _write("DEBUG", message, values)
