"""Health checks of workers for images and videos can fail."""

import json
from pathlib import Path

import httpx
import pytest
from client import Client
from conftest import CANARY
from harness.deployment import Deployment
from harness.engines import procedural
from harness.process import wait_until
from media import serving

pytestmark = pytest.mark.procedural

ASK = {"image": ("/v1/images/generations", {}), "video": ("/v1/videos", {"nvext": {"num_frames": 4, "fps": 4}})}


@pytest.mark.parametrize("kind", ASK)
def test_an_engine_that_does_not_generate_is_not_healthy(deployment: Deployment, tmp_path: Path, kind: str) -> None:
    with serving(deployment, kind, tmp_path, **CANARY) as worker:
        wait_until(lambda: worker.status("/health")[0] == 200, 60, "/health to be 200")
        path, members = ASK[kind]
        # The server stays, and what generates in it is gone: only a request shows that.
        order = {"prompt": "a lake [lose worker]", "model": worker.model, "size": "64x64", **members}
        Client(deployment.url, worker.model).post(path, order)
        assert httpx.get(f"{worker.engine_url()}/liveness").status_code == 200
        wait_until(lambda: worker.status("/health")[0] == 503, 60, "/health to be 503")


@pytest.mark.parametrize("kind", ASK)
def test_a_worker_whose_check_fails_is_never_listed(deployment: Deployment, kind: str) -> None:
    path, members = ASK[kind]
    check = {"prompt": "[fail]", "model": "m", "size": "64x64", "response_format": "b64_json", **members}
    worker = deployment.start_worker(procedural(kind), ["--health-check-payload", json.dumps(check)])
    assert worker.process.wait(120) != 0
    assert "health check" in worker.process.output()
