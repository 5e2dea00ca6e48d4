"""A fault-injection double of an engine: a small HTTP server that fails in the ways engines do.

It generates nothing. `GET /pids` tells the numbers of its processes, `GET /stream` sends one event
and then nothing more, `GET /ready` is its readiness.
"""

import argparse
import http.server
import json
import os
import signal
import subprocess
import sys
import time

arguments = argparse.ArgumentParser()
arguments.add_argument("--port", type=int, required=True)
arguments.add_argument("--exit-with", type=int, help="write 50 lines and exit with this code")
arguments.add_argument("--never-ready", action="store_true", help="answer /ready with 503")
arguments.add_argument("--ignore-term", action="store_true", help="ignore SIGTERM, as do children")
arguments.add_argument("--children", type=int, default=0, help="have so many idle children")
arguments.add_argument("--stray", action="store_true", help="have a child in a session of its own")
options = arguments.parse_args()

print("engine double starts", os.environ.get("ENGINE_DOUBLE_GREETING", ""), flush=True)
if options.exit_with is not None:
    for number in range(50):
        print(f"line {number}", flush=True)
    print("out of memory", file=sys.stderr, flush=True)
    sys.exit(options.exit_with)
if options.ignore_term:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

idle = [sys.executable, "-c", "import time; time.sleep(600)"]
children = [subprocess.Popen(idle) for _ in range(options.children)]
if options.stray:
    children.append(subprocess.Popen(idle, start_new_session=True))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/ready":
            self.answer(503 if options.never_ready else 200, b"")
        elif self.path == "/pids":
            pids = [os.getpid()] + [child.pid for child in children]
            self.answer(200, json.dumps(pids).encode())
        elif self.path == "/stream":
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"9\r\ndata: 1\n\n\r\n")
            self.wfile.flush()
            time.sleep(600)
        else:
            self.answer(404, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
