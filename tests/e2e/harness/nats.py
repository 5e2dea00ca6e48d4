"""A NATS server with JetStream, on loopback."""

import socket
import subprocess
from pathlib import Path

from .deployment import Deployment
from .engines import SETUP
from .process import Process, free_port


class Nats:
    """A server of a deployment's, whose data live in `folder`."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self._deployment = deployment
        self._folder = folder
        self._port = free_port()
        done = subprocess.run([SETUP / "nats.sh"], stdout=subprocess.PIPE, text=True, check=True)
        self._binary = done.stdout.strip()
        self.process = self.start()

    def start(self) -> Process:
        """Starts it, also again after it was stopped."""
        words = [self._binary, "-a", "127.0.0.1", "-p", str(self._port), "-js", "-sd", str(self._folder)]
        self.process = self._deployment.start("nats", words, self._deployment.environment())
        self.process.await_ready(self._listens, 30, "nats-server to listen")
        return self.process

    @property
    def environment(self) -> dict[str, str]:
        """What tells the hosts about it."""
        return {"NATS_SERVER": f"nats://127.0.0.1:{self._port}"}

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
