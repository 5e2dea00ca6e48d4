"""What a run comes to: lines for people, and whether anything is wrong."""

from collections import Counter

from .watch import MIB, Held, Memory

# Threads of tokio's, for tasks and for files. They end when they were idle for ten seconds, and what looks after
# discovery wakes one after the other sooner than that: so one or two more may stay.
POOL, POOL_MORE = "tokio-rt-worker", 2

# By how much the median of the last third of a run may be above that of the second. Compiling a version that nobody
# has seen moves it by up to 3 %, up and down; a leak of one KiB a request would be 10 % in half an hour.
GROWTH = 0.05


class Verdict:
    """Collects lines; `well` until one of them is a fault."""

    def __init__(self) -> None:
        self.well = True

    def none(self, what: str, count: int) -> None:
        """There must be none of it."""
        self.well &= count == 0
        print(f"{what}: {count}")

    def leaks(self, host: str, before: Held, after: Held) -> None:
        """A host must hold no more than before."""
        for what, one, other in (
            ("sockets", before.sockets, after.sockets),
            ("other descriptors", before.others, after.others),
            ("threads", _but_for_pool(before.threads), _but_for_pool(after.threads)),
            ("threads of the pool", before.threads[POOL] + POOL_MORE, after.threads[POOL]),
            ("tasks", before.tasks, after.tasks),
            ("instances", before.instances, after.instances),
            ("media handles", before.blobs, after.blobs),
        ):
            self.none(f"leaked {what} ({host}, {other} of at most {one})", max(0, other - one))
        new = (after.descriptors - before.descriptors) + (after.threads - before.threads)
        for kind, count in sorted(new.items()):
            print(f"  new: {count} x {kind}")
        self.none(f"plugin versions beside the one that serves ({host})", after.live - 1)
        self.none(f"requests left in the host ({host})", after.in_flight)

    def engine(self, host: str, at_work: dict[str, int]) -> None:
        self.none(f"requests left in the engine ({host})", at_work["requests"])
        self.none(f"connections left open at the engine ({host})", at_work["connections"])

    def growth(self, what: str, memory: Memory) -> float:
        """Memory must be flat. Returns the growth in bytes."""
        second, last = memory.thirds()
        growth = last / second - 1
        self.well &= growth <= GROWTH
        medians = f"median {second / MIB:.1f} MiB in the second third, {last / MIB:.1f} MiB in the last"
        print(f"memory of {what}: {medians}, {growth:+.1%} (at most {GROWTH:.0%})")
        return last - second


def _but_for_pool(threads: Counter[str]) -> int:
    return threads.total() - threads[POOL]
