"""The landscapes: a sky, a sun, hills behind each other and water, all from prompt and seed."""

import hashlib
from functools import cached_property

import numpy
from PIL import Image, ImageDraw, ImageFont

# Sky above, sky at the horizon, the nearest hill, the sun.
_PALETTES = {
    "night": ((8, 10, 34), (46, 42, 92), (10, 12, 28), (235, 238, 255)),
    "sea": ((44, 120, 178), (178, 222, 232), (12, 52, 84), (255, 248, 220)),
    "desert": ((92, 150, 196), (250, 206, 142), (140, 74, 38), (255, 244, 200)),
    "forest": ((122, 174, 188), (226, 236, 200), (18, 58, 40), (255, 246, 214)),
    "snow": ((118, 152, 190), (230, 236, 246), (120, 140, 168), (255, 252, 240)),
    "sunset": ((60, 40, 96), (250, 136, 86), (34, 22, 48), (255, 220, 150)),
    "dawn": ((96, 116, 176), (252, 196, 186), (58, 50, 88), (255, 238, 214)),
}
_HILLS = 4
_NOTE = "drawn by arithmetic - no model"


class Scene:
    """Everything about one picture but the moment it is seen at."""

    def __init__(self, prompt: str, negative_prompt: str, seed: int, guidance: float, source: Image.Image | None) -> None:
        digest = hashlib.sha256(f"{seed}\0{prompt}\0{negative_prompt}".encode()).digest()
        self._random = numpy.random.default_rng(list(digest))
        self._seed = int.from_bytes(digest[:4], "big")
        named = [palette for word, palette in _PALETTES.items() if word in prompt.lower()]
        chosen = named[0] if named else list(_PALETTES.values())[digest[0] % len(_PALETTES)]
        self._sky, self._horizon, self._hill, self._sun = (numpy.array(colour, numpy.float32) for colour in chosen)
        self._saturation = 0.7 + 0.03 * min(guidance, 15.0)
        self._source = source
        self._sun_at = self._random.uniform(0.25, 0.75), self._random.uniform(0.2, 0.42)
        self._phases = self._random.uniform(0, 2 * numpy.pi, (_HILLS, 6))
        self._clouds = self._random.random((28, 5)).astype(numpy.float32)

    def frame(self, size: tuple[int, int], moment: float, steps: int) -> numpy.ndarray:
        """Height x width x 3 bytes. `moment` runs from 0 to 1; fewer steps leave more grain."""
        canvas = Canvas(size)
        picture = self._heaven(canvas, moment)
        for hill in range(_HILLS):
            self._put_hill(picture, canvas, hill, moment)
        self._put_water(picture, canvas, moment)
        grey = picture.mean(axis=2, keepdims=True)
        picture = grey + (picture - grey) * self._saturation
        grain = numpy.random.default_rng([self._seed, int(moment * 1e6)])
        picture += grain.standard_normal(picture.shape[:2], numpy.float32)[:, :, None] * (60 / steps)
        return _with_note(picture.clip(0, 255).astype(numpy.uint8))

    def _heaven(self, canvas: "Canvas", moment: float) -> numpy.ndarray:
        down = (canvas.y / 0.62).clip(0, 1)[:, :, None]
        picture = self._sky * (1 - down) + self._horizon * down
        picture = numpy.broadcast_to(picture, (canvas.height, canvas.width, 3)).copy()
        if self._source is not None:
            given = numpy.asarray(self._source.resize((canvas.width, canvas.height)), numpy.float32)
            picture = 0.35 * picture + 0.65 * given
        cover = canvas.stretched(numpy.roll(self._clouds, 1, axis=1), moment)
        cover = ((cover - 0.5) * 3).clip(0, 1) * (0.7 - canvas.y).clip(0, 1)
        picture += (255 - picture) * (0.5 * cover)[:, :, None]
        away = numpy.hypot((canvas.x - self._sun_at[0]) * canvas.aspect, canvas.y - self._sun_at[1] - 0.08 * moment)
        disc = ((0.065 - away) * 100).clip(0, 1)
        light = (numpy.exp(-9 * away) * 0.7 + disc).clip(0, 1)
        return picture + (self._sun - picture) * light[:, :, None]

    def _put_hill(self, picture: numpy.ndarray, canvas: "Canvas", hill: int, moment: float) -> None:
        nearness = (hill + 1) / _HILLS
        along = canvas.x[0] * canvas.aspect + moment * 0.3 * nearness**2
        ridge = sum(
            numpy.sin(along * (2.2 + hill) * 1.9**octave + phase) / 1.75**octave
            for octave, phase in enumerate(self._phases[hill])
        )
        top = 0.46 + 0.09 * hill - 0.05 * ridge / (1 + 0.3 * hill)
        edge = ((canvas.y - top) * canvas.height).clip(0, 1)[:, :, None]
        colour = self._horizon * (1 - nearness) * 0.8 + self._hill * (0.2 + 0.8 * nearness)
        picture += (colour - picture) * edge

    def _put_water(self, picture: numpy.ndarray, canvas: "Canvas", moment: float) -> None:
        shore = int(canvas.height * 0.82)
        rows = numpy.arange(canvas.height - shore)
        depth = (rows + 1) / max(len(rows), 1)
        mirrored = picture[(shore - 1 - rows * 2.4).astype(int).clip(0, None)]
        waves = numpy.sin(26 * numpy.log1p(7 * depth) - 2 * numpy.pi * 3 * moment + self._phases[0, 0])
        for row, shift in enumerate((waves * depth * canvas.width * 0.012).astype(int)):
            mirrored[row] = numpy.roll(mirrored[row], shift, axis=0)
        picture[shore:] = mirrored * 0.72 + self._sky * 0.2 + (waves * 7 * depth)[:, None, None]


class Canvas:
    """Coordinates from 0 to 1."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.width, self.height = size
        self.aspect = self.width / self.height

    @cached_property
    def x(self) -> numpy.ndarray:
        return (numpy.arange(self.width, dtype=numpy.float32) / self.width)[None, :]

    @cached_property
    def y(self) -> numpy.ndarray:
        return (numpy.arange(self.height, dtype=numpy.float32) / self.height)[:, None]

    def stretched(self, grid: numpy.ndarray, moment: float) -> numpy.ndarray:
        """A coarse grid over the whole canvas, drifting to the left."""
        wide = Image.fromarray(numpy.hstack([grid, grid])).resize((self.width * 2, self.height), Image.Resampling.BICUBIC)
        start = int(moment * self.width * 0.5)
        return numpy.asarray(wide)[:, start : start + self.width]


def _with_note(picture: numpy.ndarray) -> numpy.ndarray:
    """Says in the picture itself that no model made it, where there is room for that."""
    height, width = picture.shape[:2]
    if width < 240 or height < 120:
        return picture
    image = Image.fromarray(picture)
    font = ImageFont.load_default(max(10, height // 36))
    ImageDraw.Draw(image).text((height // 40, height - height // 40), _NOTE, (255, 255, 255), font, anchor="ls")
    return numpy.asarray(image)
