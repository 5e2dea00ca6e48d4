"""Requests that must be refused, and that nothing is lost by them."""

from typing import Any

import httpx
import pytest
from client import FRANCE, Client

CHAT = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}


@pytest.mark.parametrize(
    "change",
    [
        {"messages": "hello"},
        {"messages": [{"role": "user"}, 7]},
        {"temperature": "hot"},
        {"temperature": -1},
        {"top_p": 7},
        {"max_tokens": -5},
        {"max_tokens": "many"},
        {"frequency_penalty": 9},
        {"stop": {"not": "a list"}},
    ],
    ids=lambda change: "-".join(f"{name}={value}" for name, value in change.items())[:40],
)
def test_is_refused(client: Client, change: dict[str, Any]) -> None:
    response = client.post("/v1/chat/completions", {"model": client.model, **CHAT, **change})
    assert response.status_code in (400, 422), response.text
    assert response.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_over_the_context_is_refused(client: Client, stream: bool) -> None:
    prompt = "word " * 20_000
    if stream:
        seen = client.stream_chat(prompt, max_tokens=4)
        assert seen.error, seen
    else:
        response = client.chat(prompt, max_tokens=4)
        assert 400 <= response.status_code < 500, response.text


def test_malformed_json_is_refused(client: Client) -> None:
    response = httpx.post(
        client.url + "/v1/chat/completions",
        content='{"model":',
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 400


def test_an_unknown_model_is_not_found(client: Client) -> None:
    response = Client(client.url, "no-such-model").chat("hello")
    assert response.status_code == 404


def test_the_next_request_is_served(client: Client) -> None:
    client.post("/v1/chat/completions", {"model": client.model, **CHAT, "top_p": 7})
    assert client.chat(FRANCE, max_tokens=4).status_code == 200
