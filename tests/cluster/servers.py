"""Real NATS and etcd servers, to be stopped, killed and started again, and networks for several hosts."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request

from harness.deployment import Deployment
from harness.process import Process, free_port

# Debian keeps them out of a user's way.
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


class Server:
    """One server at a fixed port, with its data in a folder."""

    def __init__(self, deployment: "Cluster", name: str) -> None:
        self.deployment = deployment
        self.name = name
        self.port = free_port()
        self.process: Process | None = None

    def start(self) -> None:
        self.process = self.deployment.start(self.name, self.command(), {**os.environ, "PATH": PATH})
        self.process.await_ready(self.answers, 30, f"{self.name} to answer")

    def kill(self) -> None:
        self.process.signal(signal.SIGKILL)
        self.process.child.wait()

    def pause(self) -> None:
        self.process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.signal(signal.SIGCONT)


class Nats(Server):
    def command(self) -> list[str]:
        return [shutil.which("nats-server", path=PATH), "-a", self.deployment.address, "-p", str(self.port)]

    def answers(self) -> bool:
        return b"INFO" in _first_bytes(self.deployment.address, self.port)


class Etcd(Server):
    def __init__(self, deployment: "Cluster", name: str) -> None:
        super().__init__(deployment, name)
        self.folder = deployment.folder / "etcd"
        self.peers = free_port()
        self.url = f"http://{deployment.address}:{self.port}"

    def command(self) -> list[str]:
        # Its other port is for servers of the same cluster.
        peer = f"http://127.0.0.1:{self.peers}"
        return [
            shutil.which("etcd", path=PATH),
            *("--data-dir", str(self.folder)),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", f"default={peer}"),
        ]

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as reply:
                return json.load(reply)["health"] == "true"
        except OSError:
            return False

    def forget(self) -> None:
        shutil.rmtree(self.folder)

    def records(self, prefix: str) -> list[dict]:
        """What stands under keys that begin so."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        encoded = [base64.b64encode(key.encode()).decode() for key in (prefix, end)]
        body = json.dumps({"key": encoded[0], "range_end": encoded[1]}).encode()
        with urllib.request.urlopen(f"{self.url}/v3/kv/range", body, timeout=10) as reply:
            found = json.load(reply).get("kvs", [])
        return [json.loads(base64.b64decode(entry["value"])) for entry in found]


class Cluster(Deployment):
    """A deployment on servers of its own."""

    def __init__(self, address: str = "127.0.0.1", **planes: str) -> None:
        super().__init__(say=print)
        self.address = address
        self.folder = self._folder
        self.planes = planes
        self.nats = Nats(self, "nats-server")
        self.etcd = Etcd(self, "etcd")

    def environment(self, more: dict[str, str] | None = None) -> dict[str, str]:
        ours = {
            "DYN_DISCOVERY_BACKEND": "etcd",
            "ETCD_ENDPOINTS": self.etcd.url,
            "NATS_SERVER": f"nats://{self.address}:{self.nats.port}",
            **{f"DYN_{plane.upper()}": value for plane, value in self.planes.items()},
        }
        return super().environment({**ours, **(more or {})})


class Namespace:
    """A network of its own for one host, with an address the others reach."""

    def __init__(self, bridge: "Bridge", number: int) -> None:
        self.name = f"{bridge.name}-{number}"
        self.address = f"{bridge.prefix}.{number}"
        inside, outside = f"{bridge.name}i{number}", f"{bridge.name}o{number}"
        _ip("netns", "add", self.name)
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.name)
        _ip("link", "set", outside, "master", bridge.name, "up")
        self._inside("addr", "add", f"{self.address}/24", "dev", inside)
        self._inside("link", "set", inside, "up")
        self._inside("link", "set", "lo", "up")
        self.device = inside

    def add_address(self, address: str) -> None:
        self._inside("addr", "add", f"{address}/24", "dev", self.device)

    def _inside(self, *words: str) -> None:
        _ip("-n", self.name, *words)

    def remove(self) -> None:
        _ip("netns", "del", self.name)


class Bridge:
    """A network between namespaces and us. Needs root."""

    def __init__(self) -> None:
        self.name = f"dh{os.getpid() % 100000}"
        self.prefix = "10.213.7"
        self.address = f"{self.prefix}.1"
        _ip("link", "add", self.name, "type", "bridge")
        _ip("addr", "add", f"{self.address}/24", "dev", self.name)
        _ip("link", "set", self.name, "up")

    def remove(self) -> None:
        _ip("link", "del", self.name)


def _ip(*words: str) -> None:
    subprocess.run([shutil.which("ip", path=PATH), *words], check=True)


def _first_bytes(host: str, port: int) -> bytes:
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            return connection.recv(64)
    except OSError:
        return b""
