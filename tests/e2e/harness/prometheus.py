"""Prometheus, from Debian's package: its tool that checks, and a server for tests."""

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from functools import cache
from pathlib import Path

from .deployment import Deployment
from .engines import installed
from .process import Process, free_port, wait_until


@cache
def _package() -> Path:
    """The folder with the programs."""
    found = shutil.which("promtool")
    return Path(found).parent if found else installed("deb.sh", "prometheus") / "usr" / "bin"


def promtool() -> str:
    return str(_package() / "promtool")


class Prometheus:
    """A server that scrapes its targets every second."""

    def __init__(self, deployment: Deployment, folder: Path, *targets: str) -> None:
        job = {"job_name": "dynamo", "static_configs": [{"targets": targets}]}
        config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}
        (folder / "prometheus.yml").write_text(json.dumps(config))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.process: Process = deployment.start(
            "prometheus",
            [
                str(_package() / "prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            deployment.environment(),
        )
        up = "sum(up)"
        wait_until(lambda: [one["value"][1] for one in self.query(up)] == [str(len(targets))], 60, "the first scrape")

    def query(self, query: str) -> list[dict]:
        """What an instant query finds; fails if it is not valid."""
        address = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(address, timeout=10) as reply:
                return json.load(reply)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it reads what it has stored
                return []
            raise AssertionError(f"{query}: {error.read().decode()}") from None
        except OSError:
            return []
