"""Where images are kept, and whence none are fetched: real disks, a real S3 API, real names."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from client import Client
from harness.deployment import Deployment
from harness.engines import installed
from harness.process import free_port, wait_until
from media import look_at, serving
from test_images import ask, image_of

pytestmark = pytest.mark.procedural

KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "us-east-1"}


@contextmanager
def s3(deployment: Deployment) -> Iterator[str]:
    """A server with the API of S3, and a bucket `media` in it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = installed("venv.sh", "s3") / "bin" / "moto_server"
    server = deployment.start("s3", [program, "-H", "127.0.0.1", "-p", port], deployment.environment({}))

    def made() -> bool:
        try:
            return httpx.put(f"{url}/media").is_success
        except httpx.TransportError:
            return False

    wait_until(made, 60, "a bucket")
    yield url
    server.stop(10)


def test_a_link_into_a_bucket(deployment: Deployment, tmp_path: Path) -> None:
    with s3(deployment) as url:
        where = ["--media-output-fs-url", "s3://media/made", "--media-output-http-url", f"{url}/media/made"]
        with serving(deployment, "image", tmp_path / "unused", *where, **KEYS, AWS_ENDPOINT_URL=url) as worker:
            client = Client(deployment.url, worker.model)
            response = ask(client, response_format="url", user="u1")
            assert response.status_code == 200, response.text
            link = response.json()["data"][0]["url"]
            assert link.startswith(f"{url}/media/made/users/u1/generations/")
            # The bucket is closed to those who name nobody.
            stored = httpx.get(link, headers={"Authorization": "AWS k:s"})
            assert stored.headers["content-type"] == "image/png"
            assert stored.content == image_of(ask(client))
    assert os.listdir(tmp_path / "unused") == []


def test_a_bucket_that_is_not_there(deployment: Deployment, tmp_path: Path) -> None:
    with s3(deployment) as url:
        where = ["--media-output-fs-url", "s3://elsewhere"]
        with serving(deployment, "image", tmp_path / "unused", *where, **KEYS, AWS_ENDPOINT_URL=url) as worker:
            client = Client(deployment.url, worker.model)
            assert ask(client, response_format="url").status_code == 500
            assert image_of(ask(client))


@contextmanager
def small_disk(path: Path) -> Iterator[None]:
    """A disk of 64 KiB, which one image fills."""
    path.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


def test_a_full_disk(deployment: Deployment, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk):
        where = ["--media-output-fs-url", disk.as_uri()]
        with serving(deployment, "image", tmp_path / "unused", *where) as worker:
            client = Client(deployment.url, worker.model)
            large = {"size": "640x512"}
            assert ask(client, response_format="url", **large).status_code == 500
            assert worker.process.running
            image = tmp_path / "image.png"
            image.write_bytes(image_of(ask(client, **large)))
            assert look_at(image).width == 640
        # Nothing half-written stays behind.
        assert [path for path in disk.rglob("*") if path.is_file()] == []


def test_a_name_that_leads_inside(deployment: Deployment, tmp_path: Path) -> None:
    """The machine's own name is a name like any other, and leads to an address clients may not reach."""
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, 443)
    except socket.gaierror:
        name = "localhost"
    with socket.create_server(("", 0)) as inside, serving(deployment, "image", tmp_path / "store") as worker:
        inside.settimeout(0.5)
        client = Client(deployment.url, worker.model)
        response = ask(client, input_reference=f"https://{name}:{inside.getsockname()[1]}/a.png")
        assert response.status_code == 400, response.text
        assert "private network" in response.text
        with pytest.raises(TimeoutError):
            inside.accept()
