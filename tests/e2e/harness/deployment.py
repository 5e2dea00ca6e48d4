"""One Dynamo deployment on loopback: a frontend, any number of workers, discovery in a folder."""

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from .engines import REPOSITORY, Engine, installed
from .process import Failed, Mark, Process, Running, free_port, wait_until

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
HOST_BINARY = TARGET / "debug" / "dynamo-host"
PLUGINS = TARGET / "wasm32-wasip2" / "plugin"

# The host gives its engine time to leave, and so do we.
STOP_GRACE = 60


class Worker:
    """A `dynamo-host` with its engine."""

    def __init__(self, deployment: "Deployment", engine: Engine, process: Process, name: str, endpoint: str, system_port: int) -> None:
        self._deployment = deployment
        self.engine = engine
        self.process = process
        self.model = name
        self.endpoint = endpoint
        self.system_url = f"http://127.0.0.1:{system_port}"

    @property
    def namespace(self) -> str:
        return self.endpoint.split(".")[0]

    def beside(self, *arguments: str) -> "Worker":
        """Another host on the same engine, of the same kind, in a namespace of its own."""
        running = dataclasses.replace(self.engine, arguments=["--engine-url", self.engine_url()])
        return self._deployment.start_worker(running, list(arguments))

    def engine_process(self) -> Running | None:
        """The main process of the engine this host has started."""
        family = self.descendants()
        ours = [p for p in self._deployment.mark.processes() if p.pid in family and self.engine.is_main(p)]
        return min(ours, key=lambda p: p.pid, default=None)

    def engine_family(self) -> list[Running]:
        """All processes of the engine."""
        family = self.descendants()
        return [process for process in self._deployment.mark.processes() if process.pid in family]

    def descendants(self) -> list[int]:
        """The processes the host has started, and theirs."""
        host = self.process.pid
        marked = [process.pid for process in self._deployment.mark.processes()]
        return [pid for pid in marked if pid != host and _descends_from(pid, host)]

    def engine_url(self) -> str:
        process = self.engine_process()
        port = process and process.option("--port")
        if not port:
            raise Failed("the engine's process was not found")
        return f"http://127.0.0.1:{port}"

    def await_listed(self) -> None:
        self.process.await_ready(
            lambda: self.model in self._deployment.models(),
            self.engine.patience,
            f"{self.model} in /v1/models",
        )

    def await_unlisted(self, within: float = 30) -> None:
        wait_until(
            lambda: self.model not in self._deployment.models(), within, f"{self.model} to leave /v1/models"
        )

    def card(self) -> dict:
        """The worker's model card in discovery."""
        return self._record()["card_json"]

    def instance_id(self) -> int:
        """What routers tell it from others by."""
        return self._record()["instance_id"]

    def _record(self) -> dict:
        folder = Path(self._deployment.environment()["DYN_FILE_KV"]) / "v1" / "mdc"
        place = self.endpoint.replace(".", "/") + "/"
        name = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in place)
        [record] = [file for file in folder.iterdir() if file.name.startswith(name)]
        return json.loads(record.read_text())

    def ask(self, endpoint: str, body: object, timeout: float = 60) -> list[dict]:
        """What an endpoint of the worker's component, or of its namespace (`component.endpoint`), answers
        a client of Dynamo's own."""
        python = installed("venv.sh", "frontend") / "bin" / "python"
        beside = self.namespace if "." in endpoint else self.endpoint.rpartition(".")[0]
        call = [python, REPOSITORY / "tests/e2e/call_endpoint.py", f"{beside}.{endpoint}", json.dumps(body)]
        environment = {**os.environ, **self._deployment.environment()}
        done = subprocess.run(call, env=environment, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def status(self, path: str) -> tuple[int, str]:
        """Status and body of the host's system server; status 0 while it does not answer."""
        try:
            with urllib.request.urlopen(self.system_url + path, timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


class Deployment:
    """Use as a context: leaving it stops everything, and fails if a process survives."""

    def __init__(self, say: Callable[[str], None] = lambda _: None, http_port: int | None = None) -> None:
        self.mark = Mark()
        self._say = say
        self._folder = Path(tempfile.mkdtemp(prefix="dynamo-host-"))
        self.started: list[Process] = []
        self._workers = 0
        self.http_port = http_port or free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"

    def __enter__(self) -> "Deployment":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            process.terminate()
        for process in self.started:
            process.stop(STOP_GRACE)
        try:
            # What a host had to kill may take a moment to be gone.
            wait_until(lambda: not list(self.mark.processes()), 10, "all processes to be gone")
        except Failed:
            raise Failed(f"processes were left behind: {list(self.mark.processes())}") from None
        finally:
            self.mark.kill_all()
            shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """What a worker or a frontend of this deployment runs with."""
        return {
            **self.mark.environment(),
            "DYN_DISCOVERY_BACKEND": "file",
            "DYN_FILE_KV": str(self._folder / "discovery"),
            "DYN_REQUEST_PLANE": "tcp",
            "DYN_EVENT_PLANE": "zmq",
            "DYN_TCP_RPC_HOST": "127.0.0.1",
            "DYN_TCP_RESPONSE_STREAM_HOST": "127.0.0.1",
            "DYN_EVENT_PLANE_HOST": "127.0.0.1",
            "DYN_SYSTEM_HOST": "127.0.0.1",
            "DYN_HOST_PLUGIN_DIR": str(PLUGINS),
            "HF_HUB_OFFLINE": "1",
            # Logs that can be searched.
            "DYN_SDK_DISABLE_ANSI_LOGGING": "1",
            **(more or {}),
        }

    def start(self, name: str, argv: list[str], env: dict[str, str]) -> Process:
        log = self._folder / f"{len(self.started)}-{name}.log"
        process = Process(name, [str(word) for word in argv], env, log)
        self.started.append(process)
        return process

    def start_frontend(self) -> Process:
        """Starts the frontend that all tests ask unless they start one of their own."""
        return self.another_frontend(self.http_port)

    def another_frontend(self, port: int, *arguments: str, **environment: str) -> Process:
        """Starts a frontend at `port`, and waits for it."""
        python = installed("venv.sh", "frontend") / "bin" / "python"
        self._say("starting the Dynamo frontend")
        frontend = self.start(
            "frontend",
            [python, "-m", "dynamo.frontend", "--http-host", "127.0.0.1", "--http-port", port, *arguments],
            # Tests serve their images on loopback, where a frontend does not look otherwise.
            self.environment({"DYN_MM_ALLOW_INTERNAL": "1", **environment}),
        )
        frontend.await_ready(lambda: _answers(port), 120, "the frontend to answer")
        return frontend

    def start_worker(
        self,
        engine: Engine,
        arguments: list[str] | None = None,
        environment: dict[str, str] | None = None,
        name: str | None = None,
        endpoint: str | None = None,
    ) -> Worker:
        """Starts a worker, in a namespace of its own unless told where, and does not wait for it."""
        self._workers += 1
        name = name or f"{engine.name}-{self._workers}"
        endpoint = f"{self.mark.value[:6]}-{endpoint or f'{self._workers}.backend.generate'}"
        system_port = free_port()
        plugin = " ".join(engine.selected_by) or f"the plugin {engine.plugin}"
        self._say(f"starting dynamo-host with {plugin}")
        process = self.start(
            f"host-{name}",
            [
                HOST_BINARY,
                *(engine.selected_by or ("--plugin", engine.plugin)),
                *("--model-path", engine.model),
                *("--served-model-name", name),
                *("--endpoint", f"dyn://{endpoint}"),
                *engine.arguments,
                *(arguments or []),
            ],
            self.environment(
                {"DYN_SYSTEM_PORT": str(system_port), **engine.environment, **(environment or {})}
            ),
        )
        return Worker(self, engine, process, name, endpoint, system_port)

    def kv_sources(self) -> list[dict]:
        """The workers and ranks whose KV events are in discovery."""
        folder = Path(self.environment()["DYN_FILE_KV"]) / "v1" / "event_sources"
        records = [json.loads(file.read_text()) for file in folder.iterdir()] if folder.is_dir() else []
        return [record["metadata"]["worker"] for record in records if record["topic"] == "kv-events"]

    def models(self) -> list[str]:
        """The models the frontend lists."""
        return _models(self.http_port)


def _models(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=10) as reply:
        return [model["id"] for model in json.load(reply)["data"]]


def _answers(port: int) -> bool:
    try:
        _models(port)
    except OSError:
        return False
    return True


def _descends_from(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False
