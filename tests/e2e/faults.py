"""What the engine double does with a request, drawn from a seed.

Every request says a number, `#17`, and the seed and the number decide: so the double and whoever asks it
draw the same, and a client knows what must become of its request.
"""

import random
import re
from dataclasses import dataclass

# Answers that come whole, and how often of a hundred requests.
WHOLE = {"at-once": 24, "slow": 12, "crumbs": 6, "long": 6, "large": 4}
# Those that never end: the client must leave.
UNENDING = {"endless": 4, "stalls": 4, "silent": 3}
# Failures, and the status with which the client must be told.
FAILURES = {
    "status-400": 400,
    "status-429": 429,
    "status-500": 500,
    "status-503": 503,
    "page-500": 500,
    "malformed-json": 502,
    "not-utf-8": 502,
    "not-events": 503,
    "bad-chunk": 502,
    "close-mid-stream": 503,
    "close-at-once": 503,
    "reset": 503,
    "not-http": 502,
    "ends-early": 503,
    "error-event": 500,
}
FAILURE_WEIGHT = 2.5

# In a piece of a large answer, in bytes.
LARGE = 32 << 10


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered: `pieces` of text, `pace` seconds apart, and then what `kind` says."""

    kind: str
    pieces: int = 2
    pace: float = 0.0

    def piece(self, number: int) -> str:
        """Each is another, so that one that is missing, or comes twice, shows."""
        return f"{number} ".rjust(LARGE if self.kind == "large" else 0)

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(map(self.piece, range(self.pieces)))


AT_ONCE = Behaviour("at-once")


def number_in(body: str) -> int | None:
    """The number a request says."""
    found = re.search(r"#(\d+)", body)
    return int(found[1]) if found else None


def draw(seed: int, number: int) -> Behaviour:
    """What the double of this seed does with the request of this number."""
    weights = {**WHOLE, **UNENDING, **dict.fromkeys(FAILURES, FAILURE_WEIGHT)}
    chance = random.Random(f"{seed}/engine/{number}")
    [kind] = chance.choices(list(weights), list(weights.values()))
    match kind:
        case "slow":
            return Behaviour(kind, chance.randint(5, 40), chance.uniform(0.02, 0.1))
        case "long":
            return Behaviour(kind, chance.randint(300, 900), 0.004)
        case "large":
            return Behaviour(kind, chance.randint(2, 12))
        case "endless":
            return Behaviour(kind, 0, chance.uniform(0.01, 0.1))
        case _:
            return Behaviour(kind, chance.randint(1, 12))
