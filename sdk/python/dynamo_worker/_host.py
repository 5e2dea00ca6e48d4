"""What the component imports beside what `worker` itself speaks of: as much as its build was told."""

import importlib
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err

from .errors import Failed, Kind


class _Missing:
    """In the place of an import that was not named to the build."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, _: str) -> Any:
        how = f"name it to the build, `build.sh MODULE {self._name}`"
        raise Failed(Kind.INTERNAL, f"the plugin was built without `{self._name}`: {how}")


def imported(name: str) -> Any:
    """The module of an import. Asked for while the plugin is built: later there are no files to read."""
    try:
        return importlib.import_module(f"wit_world.imports.{name}")
    except ImportError:
        return _Missing(name)


def asked(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the host answers; what it refuses with is raised as `Failed`."""
    try:
        return function(*arguments)
    except Err as refused:
        failure = refused.value
        raise Failed(failure.kind, failure.message, failure.public) from None


class Held:
    """Held by the host under a handle, until it is given away or nothing refers to it."""

    def __init__(self, handle: Any) -> None:
        self._held = handle

    @property
    def _handle(self) -> Any:
        if self._held is None:
            raise Failed(Kind.INTERNAL, f"a {type(self).__name__} was used after it was given away")
        return self._held

    def take(self) -> Any:
        """Gives it away. For the SDK."""
        handle, self._held = self._handle, None
        return handle
