"""For tests about images and videos: workers on the procedural stand-in, and a look at what they make."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.deployment import Deployment, Worker
from harness.engines import procedural


@dataclass(frozen=True)
class Seen:
    """What ffprobe finds in a file, with every frame decoded."""

    codec: str
    width: int
    height: int
    frames: int
    fps: str


def look_at(path: Path) -> Seen:
    """Fails if the file does not decode."""
    words = ["-v", "error", "-count_frames", "-select_streams", "v:0", "-show_streams", "-of", "json", str(path)]
    done = subprocess.run(["ffprobe", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    [stream] = json.loads(done.stdout)["streams"]
    return Seen(
        stream["codec_name"],
        stream["width"],
        stream["height"],
        int(stream["nb_read_frames"]),
        stream["r_frame_rate"],
    )


@contextmanager
def serving(deployment: Deployment, kind: str, store: Path, *arguments: str, **environment: str) -> Iterator[Worker]:
    """A worker that keeps what it makes in `store`, which is served over HTTP as the operator's CDN."""
    store.mkdir(parents=True, exist_ok=True)
    with served(partial(QuietFiles, directory=str(store))) as base:
        flags = ["--media-output-fs-url", store.as_uri(), "--media-output-http-url", base]
        worker = deployment.start_worker(procedural(kind), [*flags, *arguments], environment)
        worker.await_listed()
        yield worker
        worker.process.stop(60)


@contextmanager
def served(handler: type[BaseHTTPRequestHandler] | partial) -> Iterator[str]:
    """An HTTP server on loopback; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """No access log."""


class Sources(BaseHTTPRequestHandler):
    """Where clients' images come from, good and bad."""

    image: bytes = b""

    def do_GET(self) -> None:
        if self.path == "/inside":
            return self._redirect("http://169.254.169.254/latest/meta-data")
        body = {"/image.png": self.image, "/text.png": b"these are words"}.get(self.path)
        if self.path == "/endless.png":
            return self._endless()
        self.send_response(404 if body is None else 200)
        self.send_header("content-type", "image/png")
        self.end_headers()
        self.wfile.write(body or b"")

    def _redirect(self, location: str) -> None:
        self.send_response(302)
        self.send_header("location", location)
        self.end_headers()

    def _endless(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.end_headers()
        try:
            while True:
                self.wfile.write(bytes(1 << 20))
        except OSError:
            pass  # whoever read it has had enough

    def log_message(self, *_: object) -> None:
        """No access log."""
