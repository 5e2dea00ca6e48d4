#!/usr/bin/env python3
"""How much memory a large image or video takes on its way to many clients at once.

    make measure-media [SIZE=64M] [CLIENTS=8]

Starts the real frontend and a host on the procedural stand-in, which fills its images up to SIZE, and has
CLIENTS ask at the same time: once for base64, once for a link that they then download. Prints the peak of
the host's resident memory (VmHWM) before and after, and the largest memory an instance of the plugin had.
"""

import argparse
import base64
import json
import re
import sys
import tempfile
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness.deployment import Deployment, Worker  # noqa: E402
from harness.engines import procedural  # noqa: E402
from media import QuietFiles, served  # noqa: E402

MODEL = "procedural-stand-in"
MIB = 1 << 20


def peak(worker: Worker) -> int:
    """The most resident memory the host has had, in bytes."""
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def plugin_peak(worker: Worker) -> int:
    """The most linear memory an instance of the plugin has had, in bytes."""
    _, text = worker.status("/metrics")
    return int(float(re.search(r"^dynamo_host_plugin_memory_peak_bytes (\S+)", text, re.MULTILINE)[1]))


def ask(url: str, form: str, size: str) -> int:
    """The bytes of the image a client ends up with."""
    body = {
        "model": MODEL,
        "prompt": f"a lake [pad {size}]",
        "size": "64x64",
        "response_format": form,
        "nvext": {"num_inference_steps": 1},
    }
    call = urllib.request.Request(
        f"{url}/v1/images/generations", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(call, timeout=600) as reply:
        [data] = json.load(reply)["data"]
    if form == "b64_json":
        return len(base64.b64decode(data["b64_json"], validate=True))
    with urllib.request.urlopen(data["url"], timeout=600) as reply:
        return len(reply.read())


def measure(form: str, size: str, clients: int) -> None:
    with tempfile.TemporaryDirectory() as store, served(partial(QuietFiles, directory=store)) as base, Deployment() as deployment:
        deployment.start_frontend()
        flags = ["--media-output-fs-url", Path(store).as_uri(), "--media-output-http-url", base]
        worker = deployment.start_worker(procedural("image"), flags, name=MODEL)
        worker.await_listed()
        before = peak(worker)
        with ThreadPoolExecutor(clients) as pool:
            sizes = list(pool.map(lambda _: ask(deployment.url, form, size), range(clients)))
        after, instance = peak(worker), plugin_peak(worker)
    # In a row, or the measurement would be one of something else.
    assert len(set(sizes)) == 1, sizes
    print(
        f"{form:8}  {clients} x {sizes[0] / MIB:.0f} MiB   host {before / MIB:.0f} -> {after / MIB:.0f} MiB   "
        f"plugin instance {instance / MIB:.1f} MiB",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", default="64M")
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    for form in ("b64_json", "url"):
        measure(form, options.size, options.clients)
    return 0


if __name__ == "__main__":
    sys.exit(main())
