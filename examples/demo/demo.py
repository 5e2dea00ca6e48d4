#!/usr/bin/env python3
"""One question through the whole chain: frontend, plugin, engine and back.

    make demo PROMPT="What is the capital of France?"

Starts the real Dynamo frontend and a `dynamo-host` with the plugin `llama_cpp`, which starts a stock
llama.cpp server; they find each other through files in a temporary folder. Streams the answer. With
a terminal it then stays up until Ctrl-C; without one it ends. Either way nothing keeps running.
"""

import argparse
import json
import shlex
import signal
import socket
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from harness.deployment import Deployment  # noqa: E402
from harness.engines import llama  # noqa: E402
from harness.process import Failed, free_port  # noqa: E402

MODEL = "smollm2"


def request(prompt: str) -> dict:
    """A small model's best side: its own template's system message makes it answer in French, and
    greedy decoding without a penalty repeats itself."""
    return {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": prompt},
        ],
        "temperature": 0,
        "frequency_penalty": 0.6,
        "max_tokens": 256,
        "stream": True,
    }


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def pick_port() -> int:
    """Dynamo's usual port if nobody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8000))
        except OSError:
            return free_port()
    return 8000


def stream(url: str, body: dict) -> None:
    """Prints the answer as it comes."""
    call = urllib.request.Request(
        f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(call, timeout=120) as reply:
        for line in reply:
            data = line.decode().strip().removeprefix("data: ")
            if not data.startswith("{"):
                continue
            chunk = json.loads(data)
            if "choices" not in chunk:
                raise Failed(f"the answer broke off: {data}")
            for choice in chunk["choices"]:
                print(choice["delta"].get("content") or "", end="", flush=True)
    print(flush=True)


def demo(prompt: str) -> None:
    body = request(prompt)
    with Deployment(say=say, http_port=pick_port()) as deployment:
        deployment.start_frontend()
        worker = deployment.start_worker(llama(), name=MODEL)
        say("waiting until the frontend lists the model")
        worker.await_listed()

        say(f"asking: {prompt}\n")
        stream(deployment.url, body)

        example = json.dumps({**body, "max_tokens": 64})
        print(f"\nThe endpoint is {deployment.url}/v1 (model {MODEL}):\n", flush=True)
        print(
            f"  curl -N {deployment.url}/v1/chat/completions -H 'content-type: application/json' \\\n"
            f"    -d {shlex.quote(example)}\n",
            flush=True,
        )
        if sys.stdin.isatty():
            say("up until Ctrl-C")
            try:
                while all(process.running for process in deployment.started):
                    time.sleep(0.5)
            except KeyboardInterrupt:
                say("stopping")
            else:
                gone = next(process for process in deployment.started if not process.running)
                raise Failed(f"{gone.name} has exited; its last lines:\n{gone.tail()}")
        _ignore_signals()


def _ignore_signals() -> None:
    """From here on everything is being stopped, and nothing interrupts that."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> None:
    _ignore_signals()
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("prompt")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        demo(options.prompt)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (Failed, OSError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
