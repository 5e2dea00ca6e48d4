"""Videos through the frontend, made by the procedural stand-in."""

import base64
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from client import Client
from harness.deployment import Deployment, Worker
from harness.process import wait_until
from media import Seen, Sources, look_at, served, serving

pytestmark = pytest.mark.procedural

PATH = "/v1/videos"

# One red pixel.
RED = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def worker(deployment: Deployment, store: Path) -> Iterator[Worker]:
    with serving(deployment, "video", store, DYN_MM_ALLOW_INTERNAL="1") as worker:
        yield worker


@pytest.fixture
def client(deployment: Deployment, worker: Worker) -> Client:
    worker.await_listed()
    return Client(deployment.url, worker.model)


def body(client: Client, prompt: str = "a lake", **members: object) -> dict:
    given = {"fps": 8, "num_frames": 10, "num_inference_steps": 2, "seed": 7, **members.pop("nvext", {})}
    return {
        "model": client.model,
        "prompt": prompt,
        "size": "128x96",
        "response_format": "b64_json",
        "nvext": given,
        **members,
    }


def ask(client: Client, prompt: str = "a lake", **members: object) -> httpx.Response:
    return client.post(PATH, body(client, prompt, **members))


def video_of(response: httpx.Response) -> bytes:
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["status"], answer["progress"], answer.get("error")) == ("completed", 100, None), answer
    [data] = answer["data"]
    return base64.b64decode(data["b64_json"], validate=True)


def jobs(worker: Worker) -> list[dict]:
    """What the engine remembers."""
    return httpx.get(f"{worker.engine_url()}/v1/videos", params={"limit": 100}).json()["data"]


def test_a_video_in_the_answer(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(video_of(ask(client)))
    assert look_at(path) == Seen("h264", 128, 96, 10, "8/1")


def test_frames_follow_from_seconds(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(video_of(ask(client, seconds=2, nvext={"fps": 6, "num_frames": None})))
    assert look_at(path) == Seen("h264", 128, 96, 12, "6/1")


def test_a_link_leads_to_the_same_bytes(client: Client, store: Path) -> None:
    response = ask(client, response_format="url")
    assert response.status_code == 200, response.text
    [data] = response.json()["data"]
    downloaded = httpx.get(data["url"]).content
    assert downloaded == video_of(ask(client))
    assert [path.read_bytes() for path in store.iterdir()] == [downloaded]


def test_an_image_to_begin_with(client: Client) -> None:
    Sources.image = RED
    with served(Sources) as base:
        begun = video_of(ask(client, input_reference=f"{base}/image.png"))
    assert begun != video_of(ask(client))
    inline = "data:image/png;base64," + base64.b64encode(RED).decode()
    assert video_of(ask(client, input_reference=inline)) == begun


def test_the_engine_is_left_without_jobs(client: Client, worker: Worker) -> None:
    video_of(ask(client))
    ask(client, "a lake [fail]")
    assert jobs(worker) == []


def test_one_at_a_time(client: Client, worker: Worker) -> None:
    """The others wait where they can be taken out of the queue: in the host."""
    most = 0
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(ask, client, f"lake {number} [step 0.2]") for number in range(4)]
        while not all(call.done() for call in calls):
            most = max(most, sum(job["status"] in ("queued", "in_progress") for job in jobs(worker)))
            time.sleep(0.02)
        assert all(video_of(call.result()) for call in calls)
    assert most == 1


def test_a_client_that_leaves_while_it_waits_costs_nothing(client: Client, worker: Worker) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, client, "the first [step 0.5]", nvext={"num_inference_steps": 6})
        wait_until(lambda: jobs(worker), 30, "the first job")
        leave(client, body(client, "never seen by the engine"))
        seen = []
        while not first.done():
            seen += jobs(worker)
            time.sleep(0.05)
        assert video_of(first.result())
    assert len({job["id"] for job in seen}) == 1
    assert video_of(ask(client))


def test_a_client_that_leaves_a_running_job(client: Client, worker: Worker) -> None:
    """The engine cannot be stopped, but it is told to forget, and nobody waits any more."""
    leave(client, body(client, "a lake [step 0.5]", nvext={"num_inference_steps": 8}), once=lambda: jobs(worker))
    wait_until(lambda: not jobs(worker), 30, "the engine to forget the job")
    assert video_of(ask(client))


def leave(client: Client, request: dict, once=lambda: True) -> None:
    """Sends a request and closes the connection."""
    waiting = threading.Event()

    def send() -> None:
        with httpx.Client(timeout=httpx.Timeout(120, read=1.5)) as http:
            waiting.set()
            try:
                http.post(client.url + PATH, json=request)
            except httpx.ReadTimeout:
                return

    thread = threading.Thread(target=send)
    thread.start()
    waiting.wait()
    wait_until(once, 30, "the request to be where it is to be left")
    thread.join()


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"size": "0x0"}, "size"),
        ({"size": "10x"}, "size"),
        ({"size": "99999x99999"}, "size"),
        ({"nvext": {"num_inference_steps": -1}}, "num_inference_steps"),
        ({"nvext": {"num_frames": -3}}, "num_frames"),
        ({"nvext": {"num_frames": 100_000_000}}, "num_frames"),
        ({"nvext": {"fps": 0}}, "fps"),
        ({"output_format": "webm"}, "output_format"),
        ({"input_reference": "data:image/png;base64,%%%"}, "input_reference"),
        ({"input_reference": "data:image/png;base64,aGVsbG8="}, "input_reference"),
        ({"input_reference": "/etc/passwd"}, "input_reference"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_wrong_stands_in_the_answer(client: Client, worker: Worker, members: dict, named: str) -> None:
    response = ask(client, **members)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["status"], answer["progress"], answer["data"]) == ("failed", 0, []), answer
    assert named in answer["error"]
    assert jobs(worker) == []


def test_a_failed_job_fails_alone(client: Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        failing = pool.submit(ask, client, "a lake [fail at 2]")
        beside = pool.submit(ask, client)
        answer = failing.result().json()
        assert answer["status"] == "failed" and "ordered" in answer["error"], answer
        assert video_of(beside.result())


def test_the_engine_dies_and_comes_back(client: Client, worker: Worker) -> None:
    before = worker.engine_process()
    assert before
    response = ask(client, "a lake [die at 2]")
    assert response.status_code >= 500 or response.json()["status"] == "failed", response.text

    def again() -> bool:
        engine = worker.engine_process()
        return engine is not None and engine.pid != before.pid

    wait_until(again, 60, "another engine")
    worker.await_listed()
    assert video_of(ask(client))
