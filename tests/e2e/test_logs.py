"""Logs under Dynamo's variables: `DYN_LOGGING_JSONL` and `DYN_LOG`."""

import dataclasses
import json
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from client import Client
from harness.deployment import Deployment, Worker
from harness.engines import REPOSITORY, Engine, llama
from swap import TALKING

pytestmark = pytest.mark.no_engine

# What an engine may print: colours, a tab, a bell, what looks like a log of its own, bytes that are no text.
PRINTED = b'\x1b[31mred\x1b[0m\ttab \x07bell\n{"level": "ERROR", "message": "mine"}\n"quoted\\\n10%\r99%\rcaf\xe9 \x00\xe2\x80\xa8end\n'
RELAYED = ["\x1b[31mred\x1b[0m\ttab \x07bell", '{"level": "ERROR", "message": "mine"}', '"quoted\\', "10%", "99%", "caf\ufffd \x00\u2028end"]

# As tests/guests/examples/relay/worker.rs writes it.
SAID = 'one line,\r\nthen "another"\twith \x1b[31mcolour\x1b[0m and {"a": 1}\0'


def chatty(engine: Engine, command: str, folder: Path) -> Engine:
    """The engine behind a script that prints first, with the plugin that logs and traps."""
    (folder / "printed").write_bytes(PRINTED)
    script = folder / "engine.sh"
    script.write_text(f'#!/bin/sh\ncat {folder}/printed\nexec {command} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return dataclasses.replace(engine, plugin=str(TALKING), arguments=["--engine-command", str(script)])


def served(deployment: Deployment, engine: Engine, **environment: str) -> list[dict[str, Any]]:
    """All that a host printed in JSON from its start to its end, with answers and traps between."""
    worker = deployment.start_worker(engine, environment={"DYN_LOGGING_JSONL": "true", "RUST_BACKTRACE": "0", **environment})
    try:
        worker.await_listed()
        ask_until_it_traps(Client(deployment.url, worker.model))
        # Said on the way out, too.
        worker.process.terminate()
        assert worker.process.wait(60) == 0
    finally:
        worker.process.stop(60)
    return records(worker)


def ask_until_it_traps(client: Client) -> None:
    statuses: set[int] = set()
    # One in three is drawn: that none or all of a hundred are does not happen.
    for _ in range(100):
        statuses.add(client.completion("1, 2,", max_tokens=2).status_code)
        if len(statuses) > 1:
            break
    assert statuses == {200, 500}


def records(worker: Worker) -> list[dict[str, Any]]:
    def once(members: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in members]
        assert len(set(names)) == len(names), f"a member comes twice: {names}"
        return dict(members)

    lines = worker.process.output().split("\n")
    assert lines.pop() == ""
    found = [json.loads(line, object_pairs_hook=once) for line in lines]
    for record in found:
        assert record["level"] in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR"), record
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["time"]), record
        assert record["target"] and isinstance(record["message"], str), record
    return found


def of(records: list[dict[str, Any]], target: str) -> list[dict[str, Any]]:
    return [record for record in records if record["target"] == target]


def test_every_line_is_json_and_names_its_trace(deployment: Deployment, tmp_path: Path) -> None:
    engine = chatty(llama(), "llama-server", tmp_path)
    found = served(deployment, engine, DYN_LOG="info,dynamo_host=debug")

    assert [record["message"] for record in of(found, "engine")][: len(RELAYED)] == RELAYED
    # What is said before belongs to the host's own check of the plugin, which is no request.
    [serving] = [place for place, record in enumerate(found) if record["message"].startswith("serving ")]
    before, found = found[:serving], found[serving:]
    assert not [record for record in before if "trace_id" in record]
    said = [record for record in of(found, "plugin") if record["level"] == "INFO"]
    assert {record["message"] for record in said} == {SAID}
    trapped = [record for record in of(found, "plugin") if record["level"] == "ERROR"]
    assert trapped and all("\n" in record["message"] for record in trapped)
    assert all("requests" in record["said"] for record in trapped)

    for record in (*said, *trapped):
        assert re.fullmatch("[0-9a-f]{32}", record["trace_id"]), record
        assert re.fullmatch("[0-9a-f]{16}", record["span_id"]), record
        assert record["request_id"] and record["span_name"] == "plugin.plan", record
    # A request has one trace, in which it is said both.
    assert {record["trace_id"] for record in trapped} < {record["trace_id"] for record in said}
    # After the requests there is none.
    assert found[-1]["message"] == "shut down" and "trace_id" not in found[-1]

    debug = {record["target"] for record in before + found if record["level"] == "DEBUG"}
    assert debug and all(target.startswith("dynamo_host") for target in debug), debug
    assert not [record for record in before + found if record["level"] == "TRACE"]


def test_dyn_log_names_the_level(deployment: Deployment, tmp_path: Path) -> None:
    # Every other line is the engine's or the plugin's: a double of it is enough.
    double = f"{sys.executable} {REPOSITORY / 'tests/e2e/faulty_engine.py'}"
    found = served(deployment, chatty(llama(), double, tmp_path), DYN_LOG="warn")
    assert {record["level"] for record in found} <= {"WARN", "ERROR"}
    assert of(found, "plugin") and not of(found, "engine")
