#!/usr/bin/env python3
"""One prompt through the whole chain, and a video comes out.

    make demo-video PROMPT="a quiet night by the sea"

Starts the real Dynamo frontend and `dynamo-host --video-generation-worker`, which starts the engine:
here the **procedural stand-in** for SGLang's diffusion server, since that one needs a GPU. No model is
behind it: it draws landscapes by arithmetic, but all else is what it would be with one. With a
terminal it shows the picture and stays up until Ctrl-C; without one it ends. Nothing keeps running.
"""

import argparse
import json
import shlex
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import preview
import stage
from harness.deployment import TARGET, Deployment, Worker
from harness.engines import procedural
from harness.process import Failed
from stage import say

MODEL = "procedural-stand-in"
SIZE = (832, 480)
FPS = 24
SECONDS = 2
STEPS = 20


def request(prompt: str) -> dict:
    return {
        "model": MODEL,
        "prompt": prompt,
        "size": f"{SIZE[0]}x{SIZE[1]}",
        "seconds": SECONDS,
        "response_format": "url",
        "nvext": {"fps": FPS, "num_inference_steps": STEPS, "seed": 7},
    }


def generate(url: str, body: dict) -> dict:
    """What the frontend answers."""
    call = urllib.request.Request(
        f"{url}/v1/videos", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(call, timeout=300) as reply:
            answer = json.load(reply)
    except urllib.error.HTTPError as error:
        raise Failed(f"the frontend answered {error.code}: {error.read().decode()}") from None
    if answer["status"] != "completed":
        raise Failed(f"no video: {answer['error']}")
    return answer


def watch(worker: Worker, done: threading.Event) -> None:
    """Shows how far the job is, as the engine itself says: the answer comes in one piece."""
    jobs = f"{worker.engine_url()}/v1/videos"
    shown = None
    while not done.wait(0.2):
        try:
            with urllib.request.urlopen(jobs, timeout=5) as reply:
                running = [job for job in json.load(reply)["data"] if job["status"] == "in_progress"]
        except (OSError, ValueError):
            continue
        progress = running[0]["progress"] if running else None
        if progress is not None and progress != shown:
            shown = progress
            bar = "#" * (progress // 4)
            what = "encoding" if progress >= 99 else "drawing"
            print(f"\r    [{bar:<25}] {progress:3} % {what}", end="", flush=True)
    if shown is not None:
        print(flush=True)


def demo(deployment: Deployment, prompt: str, folder: Path) -> None:
    say("the engine is the PROCEDURAL STAND-IN for SGLang's diffusion server: it draws by")
    say("arithmetic, no model is behind it; frontend, host and plugin are the real ones")
    deployment.start_frontend()
    worker = deployment.start_worker(procedural("video"), ["--media-output-fs-url", folder.as_uri()], name=MODEL)
    say("waiting until the frontend lists the model")
    worker.await_listed()

    body = request(prompt)
    say(f"asking for {SECONDS} s of {body['size']} at {FPS} frames a second: {prompt}")
    done, began = threading.Event(), time.monotonic()
    watcher = threading.Thread(target=watch, args=(worker, done), daemon=True)
    if sys.stdout.isatty():
        watcher.start()
    try:
        answer = generate(deployment.url, body)
    finally:
        done.set()
    if watcher.is_alive():
        watcher.join()
    taken = time.monotonic() - began

    video = Path(urllib.request.url2pathname(answer["data"][0]["url"].removeprefix("file://")))
    if sys.stdout.isatty():
        preview.show(video, SIZE)
    say(f"{video.stat().st_size:,} bytes of MP4 in {taken:.1f} s, {preview.describe(video)}:\n")
    print(f"  {video}\n", flush=True)
    if sys.stdin.isatty():
        print(f"The endpoint is {deployment.url}/v1 (model {MODEL}):\n", flush=True)
        print(
            f"  curl {deployment.url}/v1/videos -H 'content-type: application/json' \\\n"
            f"    -d {shlex.quote(json.dumps(body))}\n",
            flush=True,
        )
    stage.stay_up(deployment)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("prompt")
    parser.add_argument("--out", type=Path, default=TARGET / "demo-video", help="the folder it is left in")
    options = parser.parse_args()
    folder = options.out.absolute()
    return stage.run(lambda deployment: demo(deployment, options.prompt, folder))


if __name__ == "__main__":
    sys.exit(main())
