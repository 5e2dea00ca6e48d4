"""The part that generates: one request after the other, step by step, in a thread of its own.

The real server hands requests to scheduler processes, one for each replica, and never takes one back.
"""

import asyncio
import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import files
from arguments import Server
from orders import Orders
from picture import Scene
from PIL import Image

LOST = "Scheduler worker exited; restart the server."


@dataclass
class Work:
    """One generation, checked."""

    prompt: str
    size: tuple[int, int]
    steps: int
    seed: int
    negative_prompt: str = ""
    guidance_scale: float = 1.0
    # The bytes of the image to begin with, as the client sent them.
    source: bytes | None = None
    # For images: how many, and the suffix that says in which format.
    count: int = 1
    suffix: str = "png"
    # For videos.
    frames: int = 1
    fps: int = 24
    on_step: Callable[[int], None] = field(default=lambda _: None)


class Generator:
    """Takes one piece of work at a time; the others wait."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._thread = ThreadPoolExecutor(1)
        self._lost = asyncio.Event()

    @property
    def failure(self) -> str | None:
        """Why nothing is generated any more."""
        return LOST if self._lost.is_set() else None

    async def images(self, work: Work) -> list[bytes]:
        return await self._run(lambda: self._draw_images(work))

    async def video(self, work: Work, path: Path) -> None:
        await self._run(lambda: self._draw_video(work, path))

    async def _run(self, draw: Callable[[], object]):
        if self.failure:
            raise RuntimeError(self.failure)
        drawn = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._thread, self._unless_lost, draw))
        lost = asyncio.ensure_future(self._lost.wait())
        await asyncio.wait([drawn, lost], return_when=asyncio.FIRST_COMPLETED)
        lost.cancel()
        if not drawn.done():
            raise RuntimeError(LOST)
        return drawn.result()

    def _unless_lost(self, draw: Callable[[], object]) -> object:
        try:
            return draw()
        except WorkerLost:
            self._lost.set()
            raise RuntimeError(LOST) from None

    def _draw_images(self, work: Work) -> list[bytes]:
        orders = Orders.of(work.prompt)
        self._steps(work, orders)
        scenes = [_scene(work, work.seed + number) for number in range(work.count)]
        pictures = [scene.frame(work.size, 0.5, work.steps) for scene in scenes]
        return [files.image_bytes(picture, work.suffix, orders.pad) for picture in pictures]

    def _draw_video(self, work: Work, path: Path) -> None:
        orders = Orders.of(work.prompt)
        self._steps(work, orders)
        scene = _scene(work, work.seed)
        frames = (scene.frame(work.size, number / work.frames, work.steps) for number in range(work.frames))
        files.write_video(path, frames, work.size, work.fps, orders.pad)

    def _steps(self, work: Work, orders: Orders) -> None:
        pause = self._server.seconds_per_step if orders.seconds_per_step is None else orders.seconds_per_step
        for step in range(1, work.steps + 1):
            if orders.trouble and step == orders.trouble_step:
                _make_trouble(orders.trouble)
            time.sleep(pause)
            work.on_step(step)


class WorkerLost(Exception):
    """Stands for the death of the real server's scheduler process."""


def _make_trouble(trouble: str) -> None:
    if trouble == "die":
        print("procedural stand-in: ordered to die", flush=True)
        os._exit(9)
    if trouble == "lose worker":
        raise WorkerLost
    raise RuntimeError("the prompt ordered this to fail")


def _scene(work: Work, seed: int) -> Scene:
    source = None
    if work.source is not None:
        try:
            source = Image.open(io.BytesIO(work.source)).convert("RGB")
        except OSError as error:
            raise RuntimeError(f"the input is no image: {error}") from None
    return Scene(work.prompt, work.negative_prompt, seed, work.guidance_scale, source)
