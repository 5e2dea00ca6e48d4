"""Plugins of several versions, and what is asked of a host about them."""

import json
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from harness.deployment import PLUGINS, Worker
from harness.process import wait_until

# `make guests` builds them: see tests/guests/examples/relay.
GUESTS = PLUGINS / "examples"
ONE, TWO, TRAPPING, UNWELL, NARROW, TALKING = (
    GUESTS / f"relay_{name}.wasm" for name in ("one", "two", "trapping", "unwell", "narrow", "talking")
)
COUNTS = GUESTS / "counts.wasm"


def put(plugin: Path, at: Path) -> None:
    """Replaces the file at once, as a careful copy does."""
    beside = at.with_suffix(".new")
    shutil.copyfile(plugin, beside)
    os.replace(beside, at)


def shown(worker: Worker, name: str = "relay") -> dict[str, Any]:
    """What the host says of one of its plugins."""
    status, body = worker.status("/engine/plugin")
    assert status == 200, body
    [found] = [plugin for plugin in json.loads(body)["plugins"] if plugin["name"] == name]
    return found


def order(worker: Worker, what: str, **body: Any) -> tuple[int, dict[str, Any]]:
    """POSTs `/engine/plugin/{what}`: status and answer."""
    url = f"{worker.system_url}/engine/plugin/{what}"
    call = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        # A compilation that gives way may take minutes on two cores that an engine keeps busy.
        with urllib.request.urlopen(call, timeout=600) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def await_version(worker: Worker, version: str, within: float = 300) -> dict[str, Any]:
    """What the host says once this version serves."""

    def serving() -> dict[str, Any] | None:
        plugin = shown(worker)
        return plugin if plugin["version"] == version else None

    return wait_until(serving, within, f"version {version} to serve")


def versions(chunks: list[dict[str, Any]]) -> set[str]:
    """The versions an answer comes from. The frontend's own chunks, such as usage, name none."""
    return {chunk["system_fingerprint"] for chunk in chunks if chunk.get("system_fingerprint")}
