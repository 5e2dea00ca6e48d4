"""A LoRA adapter, loaded into real SGLang and asked for by its name through the real frontend."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from client import FRANCE, Client
from harness.deployment import Deployment, Worker
from harness.engines import installed, sglang
from harness.process import wait_until

pytestmark = pytest.mark.tiny_sglang

LORA = ["--enable-lora", "--max-lora-rank", "8", "--lora-target-modules", "q_proj", "v_proj", "o_proj"]
# The default is in Triton.
LORA += ["--lora-backend", "torch_native", "--max-loras-per-batch", "4"]
GREEDY = {"max_tokens": 12, "temperature": 0, "ignore_eos": True}


@pytest.fixture(scope="module")
def adapter() -> Path:
    return installed("model.sh", "tiny-adapter")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, adapter: Path) -> Path:
    """A Hugging Face cache with the adapter in it."""
    cache = tmp_path_factory.mktemp("hub")
    repository = cache / "models--org--adapter"
    shutil.copytree(adapter, repository / "snapshots" / "abc")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    return cache


@pytest.fixture(scope="module")
def host(deployment: Deployment, hub: Path) -> Iterator[Worker]:
    engine = sglang("tiny-llama", "decode", LORA)
    worker = deployment.start_worker(engine, environment={"HF_HUB_CACHE": str(hub)})
    worker.await_listed()
    yield worker
    worker.process.stop(60)


def say(deployment: Deployment, model: str) -> str:
    response = Client(deployment.url, model).chat(FRANCE, **GREEDY)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["message"]["content"]


def load(host: Worker, name: str, uri: object) -> dict:
    [answer] = host.ask("load_lora", {"lora_name": name, "source": {"uri": str(uri)}})
    return answer


def unload(host: Worker, name: str) -> dict:
    [answer] = host.ask("unload_lora", {"lora_name": name})
    return answer


def test_an_adapter_answers_under_its_name(deployment: Deployment, host: Worker, adapter: Path) -> None:
    before = say(deployment, host.model)
    loaded = load(host, "tuned", f"file://{adapter}")
    assert loaded["status"] == "success", loaded
    wait_until(lambda: "tuned" in deployment.models(), 30, "the adapter to be listed")
    assert host.ask("list_loras", {}) == [{"status": "success", "loras": {"tuned": loaded["lora_id"]}, "count": 1}]
    tuned = say(deployment, "tuned")
    assert tuned != before
    assert say(deployment, "tuned") == tuned
    assert say(deployment, host.model) == before

    assert load(host, "tuned", f"file://{adapter}")["message"].endswith("already loaded")
    assert unload(host, "tuned")["status"] == "success"
    wait_until(lambda: "tuned" not in deployment.models(), 30, "the adapter to be gone")
    assert host.ask("list_loras", {}) == [{"status": "success", "loras": {}, "count": 0}]
    assert Client(deployment.url, "tuned").chat(FRANCE).status_code == 404
    assert say(deployment, host.model) == before


def test_an_adapter_of_the_hub(deployment: Deployment, host: Worker) -> None:
    assert load(host, "from-the-hub", "hf://org/adapter")["status"] == "success"
    wait_until(lambda: "from-the-hub" in deployment.models(), 30, "the adapter to be listed")
    assert say(deployment, "from-the-hub") != say(deployment, host.model)
    assert unload(host, "from-the-hub")["status"] == "success"
    missing = load(host, "other", "hf://org/other@v2")
    assert missing["status"] == "error" and "hf download org/other --revision v2" in missing["message"]


def test_what_is_no_adapter_is_not_listed(deployment: Deployment, host: Worker, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    refused = load(host, "broken", f"file://{tmp_path}")
    assert refused["status"] == "error" and "SGLang failed" in refused["message"], refused
    assert "broken" not in deployment.models()
    assert say(deployment, host.model)
