"""Trouble and size on request: what a prompt may order in square brackets. The README lists it."""

import re
from dataclasses import dataclass

_TROUBLE = re.compile(r"\[(fail|die|lose worker)(?: at (\d+))?\]")
_PAD = re.compile(r"\[pad (\d+)([KM])\]")
_STEP = re.compile(r"\[step (\d+(?:\.\d+)?)\]")
_UNITS = {"K": 1024, "M": 1024 * 1024}


@dataclass(frozen=True)
class Orders:
    """What one prompt orders."""

    # `fail`, `die` or `lose worker`, at a step counted from 1.
    trouble: str | None = None
    trouble_step: int = 1
    # Bytes the file shall have.
    pad: int | None = None
    seconds_per_step: float | None = None

    @staticmethod
    def of(prompt: str) -> "Orders":
        trouble, pad, step = _TROUBLE.search(prompt), _PAD.search(prompt), _STEP.search(prompt)
        return Orders(
            trouble=trouble and trouble[1],
            trouble_step=int((trouble and trouble[2]) or 1),
            pad=int(pad[1]) * _UNITS[pad[2]] if pad else None,
            seconds_per_step=float(step[1]) if step else None,
        )
