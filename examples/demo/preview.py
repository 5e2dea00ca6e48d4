"""A look at a video: what the decoder says of it, and one frame in the terminal.

The decoder is the ffmpeg in the environment of the procedural stand-in.
"""

import re
import shutil
import subprocess
from pathlib import Path

from stage import Failed, installed


def describe(video: Path) -> str:
    """Size, frames and codec, once every frame has been decoded."""
    done = _ffmpeg(["-hide_banner", "-i", video, "-f", "null", "-"])
    said = done.stderr.decode(errors="replace")
    stream = re.search(r"Video: (\w+).*?, (\d+x\d+).*?, ([\d.]+) fps", said)
    frames = re.findall(r"frame=\s*(\d+)", said)
    if done.returncode or not stream or not frames:
        raise Failed(f"{video} does not play:\n{said}")
    codec, size, fps = stream.groups()
    return f"{frames[-1]} frames of {size} at {fps} a second, {codec}"


def show(video: Path, size: tuple[int, int]) -> None:
    """The middle of it in half blocks, two pixels a character, where colours can be had."""
    columns = min(shutil.get_terminal_size().columns - 4, 96)
    rows = columns * size[1] // size[0] // 2 * 2
    scale = f"scale={columns}:{rows}:flags=area"
    picture = _ffmpeg(["-v", "error", "-ss", "1", "-i", video, "-frames:v", "1", "-vf", scale, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]).stdout
    if len(picture) != columns * rows * 3:
        return  # the video has shown already that it plays

    def pixel(row: int, column: int) -> str:
        at = 3 * (row * columns + column)
        return ";".join(str(value) for value in picture[at : at + 3])

    print(flush=True)
    for row in range(0, rows, 2):
        line = (f"\x1b[38;2;{pixel(row, column)};48;2;{pixel(row + 1, column)}m▀" for column in range(columns))
        print(f"  {''.join(line)}\x1b[0m", flush=True)
    print(flush=True)


def _ffmpeg(words: list) -> subprocess.CompletedProcess:
    [program] = installed("venv.sh", "procedural").glob("lib/python3*/site-packages/imageio_ffmpeg/binaries/ffmpeg-*")
    return subprocess.run([program, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True)
