"""Work that goes on beside the rest until it is told to stop."""

import threading
from collections.abc import Callable


class Background:
    """Threads of its own, one for each work, which look at `_over`."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def _begin(self, *works: Callable[[], None]) -> None:
        self._over.clear()
        self._threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def tell_to_stop(self) -> None:
        self._over.set()

    def stop(self) -> None:
        """Lets each end what it is at."""
        self.tell_to_stop()
        for thread in self._threads:
            thread.join()
