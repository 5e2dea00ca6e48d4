"""What operators ask of a decode worker, beside its requests: the plugin's own endpoints."""

from pathlib import Path

import httpx
import pytest
from client import FRANCE, Client
from harness.deployment import Worker
from harness.process import wait_until

pytestmark = pytest.mark.tiny_sglang


def test_the_kv_cache_is_cleared(client: Client, worker: Worker) -> None:
    long = FRANCE * 8
    assert client.chat(long, max_tokens=2).status_code == 200
    cached = client.chat(long, max_tokens=2).json()["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert cached > 0
    url = worker.engine_url()
    wait_until(lambda: worker.engine.running_requests(url) == 0, 60, "the engine to be idle")
    cleared = worker.ask("clear_kv_blocks", {})
    assert cleared == [{"status": "success", "message": "KV cache cleared"}]
    usage = client.chat(long, max_tokens=2).json()["usage"]
    assert not (usage.get("prompt_tokens_details") or {}).get("cached_tokens")


def test_adapters_are_listed_by_the_system_server(worker: Worker) -> None:
    status, body = worker.status("/v1/loras")
    assert status == 200, body
    assert httpx.Response(200, text=body).json() == {"status": "success", "loras": {}, "count": 0}


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("file:///no/such/adapter", "Failed to download LoRA"),
        ("s3://bucket/adapter", "Failed to download LoRA"),
        # The engine was not started with --enable-lora, and says so.
        (f"file://{Path(__file__).parent}", "SGLang failed to load LoRA adapter"),
    ],
)
def test_an_adapter_that_cannot_be_loaded_is_not_listed(worker: Worker, uri: str, why: str) -> None:
    body = {"lora_name": "adapter", "source": {"uri": uri}}
    answer = httpx.post(f"{worker.system_url}/v1/loras", json=body, timeout=60)
    assert answer.status_code == 500, answer.text
    assert why in answer.text
    assert '"count":0' in worker.status("/v1/loras")[1].replace(" ", "")
