"""Prompts with images: an encode worker and the workers behind it, each with an engine of its own."""

import base64
import http.server
import struct
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from client import Client, Stream
from harness.deployment import Deployment, Worker
from harness.engines import TRANSFER, Engine, halves, sglang_vision
from harness.process import wait_until
from metrics import check, exposition

pytestmark = pytest.mark.tiny_sglang

QUESTION = "What is in the picture?"


def png(width: int, height: int, colour: tuple[int, int, int]) -> bytes:
    """A picture with a gradient in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def pixel(x: int, y: int) -> bytes:
        return bytes((part * (x + y) // (width + height)) & 255 for part in colour)

    rows = b"".join(b"\0" + b"".join(pixel(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pieces = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


class Pictures:
    """A server of pictures, and what was fetched from it."""

    FILES = {
        "/red.png": ("image/png", png(64, 48, (500, 40, 40))),
        "/tall.png": ("image/png", png(60, 200, (900, 700, 1300))),
        "/broken.png": ("image/png", b"\x89PNG\r\n\x1a\nand then nothing"),
        "/page.html": ("text/html", b"<p>no picture"),
    }

    def __init__(self) -> None:
        fetched: list[str] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fetched.append(self.path)
                kind, body = Pictures.FILES.get(self.path, ("", b""))
                self.send_response(200 if body else 404)
                if kind:
                    self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.fetched = fetched
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Fleet:
    """An encode worker and what is behind it, in a namespace and with a model name of their own."""

    def __init__(self, deployment: Deployment, name: str) -> None:
        self._deployment = deployment
        self.name = name
        self.workers: list[Worker] = []
        encoder = sglang_vision(["--multimodal-encode-worker"])
        self.encode = self.start(encoder, "encode")
        wait_until(self.encode.engine_process, 120, "the encoder's process")
        self.encoder = ["--encoder-urls", self.encode.engine_url()]

    def start(self, engine: Engine, component: str, name: str | None = None) -> Worker:
        worker = self._deployment.start_worker(
            engine,
            # The images lie on loopback.
            environment={"DYN_MM_ALLOW_INTERNAL": "1"},
            name=name or self.name,
            endpoint=f"{self.name}.{component}.generate",
        )
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.stop(60)


@pytest.fixture(scope="module")
def pictures() -> Iterator[Pictures]:
    pictures = Pictures()
    yield pictures
    pictures.close()


@pytest.fixture(scope="module")
def fleet(deployment: Deployment, engine: Engine) -> Iterator[Fleet]:
    # `engine` only keeps the tests of this module together, and so to one fleet.
    del engine
    fleet = Fleet(deployment, "vision")
    selection = ["--enable-multimodal", "--dedicated-mm-encoder", "--disaggregation-mode", "pd"]
    fleet.start(sglang_vision(selection, fleet.encoder), "backend")
    fleet.encode.await_listed()
    yield fleet
    fleet.stop()


@pytest.fixture
def vision(deployment: Deployment, fleet: Fleet) -> Client:
    fleet.encode.await_listed()
    return Client(deployment.url, fleet.name)


def about(client: Client, *images: str, **options: Any) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": image}} for image in images]
    content = [*parts, {"type": "text", "text": QUESTION}]
    messages = [{"role": "user", "content": content}]
    # Enough tokens that noise about one image is not noise about another.
    return {"model": client.model, "messages": messages, "max_tokens": 12, "temperature": 0, **options}


def ask(client: Client, *images: str, **options: Any) -> Stream:
    return client.stream("/v1/chat/completions", about(client, *images, **options))


def refusal(client: Client, *images: str) -> str:
    answer = client.post("/v1/chat/completions", about(client, *images))
    assert 400 <= answer.status_code < 500, f"{answer.status_code}: {answer.text}"
    return answer.text


def test_an_image_is_encoded_and_talked_about(vision: Client, fleet: Fleet, pictures: Pictures) -> None:
    red = ask(vision, pictures.url("red.png"))
    assert red.complete and red.text, red
    assert "/red.png" in pictures.fetched
    assert '"POST /encode HTTP/1.1" 200' in fleet.encode.process.output()
    assert ask(vision, pictures.url("tall.png")).text != red.text


def test_the_same_image_by_another_way_is_the_same(vision: Client, pictures: Pictures) -> None:
    inline = "data:image/png;base64," + base64.b64encode(Pictures.FILES["/red.png"][1]).decode()
    by_url, by_value = ask(vision, pictures.url("red.png")), ask(vision, inline)
    assert by_value.complete, by_value
    assert by_value.text == by_url.text


def test_two_images(vision: Client, pictures: Pictures) -> None:
    answer = ask(vision, pictures.url("red.png"), pictures.url("tall.png"))
    assert answer.complete, answer


def test_what_is_no_image_is_refused_and_nothing_else(vision: Client, pictures: Pictures) -> None:
    for image in (
        pictures.url("broken.png"),
        pictures.url("page.html"),
        pictures.url("nowhere.png"),
        "data:image/png;base64,!!!",
        "ftp://127.0.0.1/red.png",
    ):
        assert refusal(vision, image)
    assert ask(vision, pictures.url("red.png")).complete


def test_a_processor_in_front(deployment: Deployment, fleet: Fleet, vision: Client, pictures: Pictures) -> None:
    processor = Engine(
        name="processor",
        plugin="multimodal_processor",
        model=fleet.encode.engine.model,
        program=[],
        selected_by=["--multimodal-processor"],
    )
    worker = fleet.start(processor, "processor", name="vision-chat")
    worker.await_listed()
    chat = Client(deployment.url, worker.model)
    through = ask(chat, pictures.url("red.png"))
    assert through.complete, through
    # Bytes that make no character at the end are shown by engine and frontend each in a way of its own.
    assert through.text.rstrip("\ufffd") == ask(vision, pictures.url("red.png")).text.rstrip("\ufffd")
    assert "no image" in refusal(chat)
    for each in fleet.workers:
        check(exposition(each))


def test_prefill_and_decode_in_two_engines(
    deployment: Deployment, fleet: Fleet, vision: Client, pictures: Pictures
) -> None:
    expected = ask(vision, pictures.url("tall.png")).text
    first, second = halves()
    pair = Fleet(deployment, "split")
    try:
        for flags, component, more in ((first, "prefill", pair.encoder), (second, "backend", [])):
            engine = sglang_vision(["--multimodal-worker"], [*flags, *more])
            engine.environment |= TRANSFER
            pair.start(engine, component)
        pair.encode.await_listed()
        split = ask(Client(deployment.url, pair.name), pictures.url("tall.png"))
        assert split.complete, split
        assert split.text == expected
        for worker in pair.workers:
            check(exposition(worker))
        assert '"POST /encode HTTP/1.1" 200' in pair.encode.process.output()
    finally:
        pair.stop()
