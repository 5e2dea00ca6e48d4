"""Pictures into files that other programs open: PNG and JPEG with Pillow, MP4 with ffmpeg."""

import io
import struct
import subprocess
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy
from PIL import Image

# What a private chunk that every decoder skips is called.
_PNG_PADDING = b"paDd"
_BLOCK = 1 << 20


def image_bytes(picture: numpy.ndarray, suffix: str, pad: int | None) -> bytes:
    """The picture as `png`, `jpg` or `webp`; a PNG filled up to `pad` bytes."""
    buffer = io.BytesIO()
    kind = {"jpg": "jpeg"}.get(suffix, suffix)
    Image.fromarray(picture).save(buffer, kind)
    encoded = buffer.getvalue()
    if pad is None or suffix != "png":
        return encoded
    end = encoded[-12:]
    # Length, name and checksum of the chunk are 12 bytes.
    padding = b"".join(_noise(pad - len(encoded) - 12))
    checksum = struct.pack(">I", zlib.crc32(_PNG_PADDING + padding))
    return encoded[:-12] + struct.pack(">I", len(padding)) + _PNG_PADDING + padding + checksum + end


def write_video(path: Path, frames: Iterable[numpy.ndarray], size: tuple[int, int], fps: int, pad: int | None) -> None:
    """H.264 in an MP4. Like the real server, rounds the size up to what x264 likes best."""
    width, height = size
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "warning",
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "pipe:0"),
        *("-an", "-vcodec", "libx264", "-preset", "fast", "-crf", "23", "-pix_fmt", "yuv420p"),
        *("-vf", f"scale={_round_up(width)}:{_round_up(height)}", "-movflags", "+faststart", "-fflags", "+bitexact"),
        str(path),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
        try:
            for frame in frames:
                ffmpeg.stdin.write(frame.tobytes())
        except BrokenPipeError:
            pass  # it says below why it has gone
        _, said = ffmpeg.communicate()
    if ffmpeg.returncode:
        path.unlink(missing_ok=True)
        raise RuntimeError(f"ffmpeg: {said.decode(errors='replace').strip()}")
    if pad is not None:
        _pad_video(path, pad)


def _pad_video(path: Path, size: int) -> None:
    """Appends a box that players skip."""
    length = size - path.stat().st_size
    with path.open("ab") as file:
        file.write(struct.pack(">I", length) + b"free")
        for block in _noise(length - 8):
            file.write(block)


def _noise(length: int) -> Iterator[bytes]:
    """Bytes no one can make smaller."""
    if length < 0:
        raise RuntimeError("the file is larger than it was ordered to be")
    block = numpy.random.default_rng(length).bytes(_BLOCK)
    for start in range(0, length, _BLOCK):
        yield block[: min(_BLOCK, length - start)]


def _round_up(pixels: int) -> int:
    return -(-pixels // 16) * 16
