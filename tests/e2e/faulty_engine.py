"""An engine double that breaks on demand: for what a real engine cannot be made to do.

    python faulty_engine.py [--fault FAULT] [--seed N] --port N [flags of llama.cpp, ignored]

It answers on the routes of llama.cpp's server that the plugin `llama_cpp` uses. Every answer is the
text `fine`, unless it was started with a fault or the request's text names one. With a seed, what becomes of a
request that says a number is drawn (faults.py), and a request's text may end the whole process (`CRASHES`).
It generates nothing and is no stand-in for an engine in any test of what an engine says.
"""

import argparse
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from faults import AT_ONCE, FAILURES, Behaviour, draw, number_in

START_FAULTS = ("exit", "never-ready", "status-500")
REQUEST_FAULTS = ("malformed-json", "close-mid-stream", "close-at-once", "status-500", "not-http")
CRASHES: dict[str, Callable[[], object]] = {
    "crash-exit": lambda: os._exit(3),
    "crash-kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "crash-abort": os.abort,
}
# Where the double says how much it is at.
AT_WORK = "/at-work"
# After so many seconds a connection without a request is closed, as real engines do.
IDLE = 5.0


class Server(ThreadingHTTPServer):
    """Counts its connections and the requests it is at."""

    request_queue_size = 256

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.at_work = {"connections": 0, "requests": 0}
        self._lock = threading.Lock()

    @contextmanager
    def counted(self, what: str) -> Iterator[None]:
        with self._lock:
            self.at_work[what] += 1
        try:
            yield
        finally:
            with self._lock:
                self.at_work[what] -= 1

    def finish_request(self, request: object, client_address: object) -> None:
        with self.counted("connections"):
            super().finish_request(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    started_with: str | None = None

    def do_GET(self) -> None:
        if self.path == "/health" and self.started_with == "never-ready":
            self._json(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})
        elif self.path == "/health":
            self._json(200, {"status": "ok"})
        elif self.path == "/props":
            self._json(200, {"default_generation_settings": {"n_ctx": 2048}, "total_slots": 4})
        elif self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": "faulty", "object": "model", "meta": {"n_ctx": 2048}}]})
        else:
            self._json(404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        named = (fault for fault in REQUEST_FAULTS if fault in body)
        fault = next(named, self.started_with)
        print(f"request with fault: {fault}", flush=True)
        if fault == "status-500":
            return self._json(500, {"error": {"message": "out of luck", "type": "server_error", "code": 500}})
        if fault == "close-at-once":
            return self._hang_up()
        if fault == "not-http":
            self.wfile.write(b"SSH-2.0-nonsense\r\n")
            return self._hang_up()
        self._stream("chat" in self.path, fault)

    def _stream(self, chat: bool, fault: str | None) -> None:
        self._head()
        self._event(json.dumps(_chunk(chat, "fi", None)))
        if fault == "malformed-json":
            self._event('{"choices": [{"index":')
        if fault == "close-mid-stream":
            return self._hang_up()
        self._event(json.dumps(_chunk(chat, "ne", None)))
        self._rest(chat, 2)

    def _head(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _rest(self, chat: bool, tokens: int) -> None:
        """The end of an answer that is whole."""
        self._event(json.dumps(_chunk(chat, "", "stop")))
        usage = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
        self._event(json.dumps({**_chunk(chat, "", None), "choices": [], "usage": usage}))
        self._event("[DONE]")
        self._last_chunk()

    def _last_chunk(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: str, in_crumbs: bool = False) -> None:
        event = f"data: {data}\n\n".encode()
        size = 7 if in_crumbs else len(event)
        for start in range(0, len(event), size):
            self._write(event[start : start + size])

    def _write(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _json(self, status: int, value: object) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """No access log."""


class Drawn(Handler):
    """Does with each request what the seed says."""

    server: Server
    seed = 0
    timeout = IDLE

    def do_GET(self) -> None:
        if self.path == AT_WORK:
            # Whoever asks is a connection, too.
            connections = self.server.at_work["connections"] - 1
            return self._json(200, {**self.server.at_work, "connections": connections})
        super().do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        crash = next((crash for crash in CRASHES if crash in body), None)
        if crash:
            CRASHES[crash]()
        number = number_in(body)
        behaviour = AT_ONCE if number is None else draw(self.seed, number)
        self.connection.settimeout(None)
        try:
            with self.server.counted("requests"):
                self._behave(behaviour, "chat" in self.path)
            self.connection.settimeout(IDLE)
        except OSError:
            self.close_connection = True  # the client has left

    def _behave(self, behaviour: Behaviour, chat: bool) -> None:
        match behaviour.kind:
            case "silent":
                return self._wait_for_the_client_to_leave()
            case "close-at-once":
                return self._hang_up()
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Nobody says goodbye first, as `close` after a shutdown would.
                os.close(self.connection.detach())
                return self._hang_up()
            case "not-http":
                self.wfile.write(b"SSH-2.0-nonsense\r\n")
                return self._hang_up()
            case "page-500":
                return self._send(500, "text/html", b"<html><body>out of luck</body></html>")
            case "status-400" | "status-429" | "status-500" | "status-503" as kind:
                error = {"message": "out of luck", "type": "server_error", "code": FAILURES[kind]}
                return self._json(FAILURES[kind], {"error": error})
        self._head()
        number = 0
        while number < behaviour.pieces or behaviour.kind == "endless":
            self._event(json.dumps(_chunk(chat, behaviour.piece(number), None)), behaviour.kind == "crumbs")
            number += 1
            time.sleep(behaviour.pace)
        self._end(behaviour, chat)

    def _end(self, behaviour: Behaviour, chat: bool) -> None:
        match behaviour.kind:
            case "stalls":
                return self._wait_for_the_client_to_leave()
            case "close-mid-stream":
                return self._hang_up()
            case "ends-early":
                return self._last_chunk()
            case "bad-chunk":
                self.wfile.write(b"seven\r\n{}\r\n")
                return self._hang_up()
            case "not-events":
                self._write(bytes(range(256)) * 8)
                return self._last_chunk()
            case "malformed-json":
                self._event('{"choices": [{"index":')
            case "not-utf-8":
                self._write(b'data: {"choices": [{"index": 0, "text": "\xff\xfe"}]}\n\n')
            case "error-event":
                error = {"message": "out of luck", "type": "server_error", "code": 500}
                self._event(json.dumps({"error": error}))
        self._rest(chat, behaviour.pieces)

    def _wait_for_the_client_to_leave(self) -> None:
        select.select([self.connection], [], [])
        self.close_connection = True


def _chunk(chat: bool, text: str, finish_reason: str | None) -> dict:
    content = {"delta": {"content": text}} if chat else {"text": text, "logprobs": None}
    return {
        "id": "chatcmpl-faulty",
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 1,
        "model": "faulty",
        "choices": [{"index": 0, "finish_reason": finish_reason, **content}],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fault", choices=START_FAULTS)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--port", type=int, required=True)
    options, _ = parser.parse_known_args()
    if options.fault == "exit":
        time.sleep(0.2)
        sys.exit("faulty engine: the tensors do not fit")
    Handler.started_with = options.fault
    if options.seed is not None:
        Drawn.seed = options.seed
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Server(options.port, Handler if options.seed is None else Drawn).serve_forever()


if __name__ == "__main__":
    main()
