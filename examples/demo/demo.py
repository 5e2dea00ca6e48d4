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
import sys
import urllib.request

import stage
from harness.deployment import Deployment
from harness.engines import llama
from harness.process import Failed
from stage import say

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


def demo(deployment: Deployment, prompt: str) -> None:
    body = request(prompt)
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
    stage.stay_up(deployment)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("prompt")
    options = parser.parse_args()
    return stage.run(lambda deployment: demo(deployment, options.prompt))


if __name__ == "__main__":
    sys.exit(main())
