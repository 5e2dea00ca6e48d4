"""An engine double that breaks on demand: for what a real engine cannot be made to do.

    python faulty_engine.py [--fault FAULT] --port N [flags of llama.cpp, ignored]

It answers on the routes of llama.cpp's server that the plugin `llama_cpp` uses. Every answer is the
text `fine`, unless it was started with a fault or the request's text names one. It generates nothing and is no
stand-in for an engine in any test of what an engine says.
"""

import argparse
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

START_FAULTS = ("exit", "never-ready", "status-500")
REQUEST_FAULTS = ("malformed-json", "close-mid-stream", "close-at-once", "status-500", "not-http")


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
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        self._event(json.dumps(_chunk(chat, "fi", None)))
        if fault == "malformed-json":
            self._event('{"choices": [{"index":')
        if fault == "close-mid-stream":
            return self._hang_up()
        self._event(json.dumps(_chunk(chat, "ne", None)))
        self._event(json.dumps(_chunk(chat, "", "stop")))
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        self._event(json.dumps({**_chunk(chat, "", None), "choices": [], "usage": usage}))
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.flush()

    def _json(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """No access log."""


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
    parser.add_argument("--port", type=int, required=True)
    options, _ = parser.parse_known_args()
    if options.fault == "exit":
        time.sleep(0.2)
        sys.exit("faulty engine: the tensors do not fit")
    Handler.started_with = options.fault
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
