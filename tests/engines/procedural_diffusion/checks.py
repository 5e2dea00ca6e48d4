"""Which requests are refused, and how: the checks of the real server that a worker can run into."""

import base64
import binascii
import math
import re

from arguments import Server
from fastapi import HTTPException

_SIZE = re.compile(r"\s*(-?\d+)\s*x\s*(-?\d+)\s*", re.IGNORECASE)
_DATA_URL = re.compile(r"data:([^,;\r\n]*)(;base64)?,(.*)", re.DOTALL)


def bad_request(message: str) -> HTTPException:
    return HTTPException(400, message)


def size(text: str | None, width: int | None, height: int | None, default: tuple[int, int]) -> tuple[int, int]:
    """`WIDTHxHEIGHT`, unless the two are given by themselves."""
    parsed = default
    if text:
        found = _SIZE.fullmatch(text)
        parsed = (int(found[1]), int(found[2])) if found else (0, 0)
        if min(parsed) <= 0:
            raise bad_request("size must be formatted as positive WIDTHxHEIGHT")
    positive("width", width)
    positive("height", height)
    return width or parsed[0], height or parsed[1]


def positive(name: str, value: int | None) -> None:
    if value is not None and value <= 0:
        raise bad_request(f"{name} must be positive")


def seed(value: int | list[int] | None) -> int:
    value = (value or [42])[0] if isinstance(value, list) else value
    if value is not None and value < 0:
        raise bad_request(f"seed must be a non-negative int or list of ints, got {value}")
    return 42 if value is None else value


def guidance(value: float | None) -> float:
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise bad_request(f"guidance_scale must be finite and non-negative, got {value}")
    return 1.0 if value is None else value


def task(server: Server, has_image: bool, wants_image: bool) -> None:
    """The model must make what is asked for, from what is given."""
    if server.makes_images != wants_image:
        raise bad_request(f"a {server.task_type} model does not make {'images' if wants_image else 'videos'}")
    if has_image and not server.takes_image:
        raise bad_request(f"input_reference is not supported for {server.task_type} models.")
    if server.needs_image and not has_image:
        raise bad_request(f"task type '{server.task_type}' requires an 'image_path' input, but none was provided")


def data_url(url: str) -> bytes:
    """The bytes of an image in a URL. Whether they are an image is seen when they are used."""
    found = _DATA_URL.fullmatch(url)
    if not found or not url.startswith("data:image"):
        raise _no_source("Unsupported image url format (the stand-in fetches nothing)")
    if not found[2] or not found[3]:
        raise _no_source("no base64 data")
    try:
        return base64.b64decode(found[3])
    except binascii.Error as error:
        raise _no_source(f"Failed to decode base64 image: {error}") from None


def _no_source(why: str) -> HTTPException:
    return bad_request(f"Failed to process image source: {why}")
