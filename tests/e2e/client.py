"""An OpenAI client that shows what is on the wire, for tests."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

# Long enough for a slow engine to load a prompt; every test has its own limit besides.
PATIENCE = httpx.Timeout(120)

# SmolLM2 answers questions wrongly under the system message its own template would put here.
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
FRANCE = "What is the capital of France?"


@dataclass
class Stream:
    """One streamed answer, as far as it came."""

    status: int = 0
    chunks: list[dict[str, Any]] = field(default_factory=list)
    # The body of an error, as a response or as an event in the stream.
    error: Any = None
    # Whether `[DONE]` came.
    done: bool = False

    @property
    def text(self) -> str:
        return "".join(
            (choice.get("delta") or {}).get("content") or choice.get("text") or ""
            for chunk in self.chunks
            for choice in chunk["choices"]
        )

    @property
    def finish_reason(self) -> str | None:
        reasons = [c["finish_reason"] for chunk in self.chunks for c in chunk["choices"] if c.get("finish_reason")]
        return reasons[-1] if reasons else None

    @property
    def usage(self) -> dict[str, Any] | None:
        return next((chunk["usage"] for chunk in reversed(self.chunks) if chunk.get("usage")), None)

    @property
    def complete(self) -> bool:
        """The whole answer came: it finished by itself and the stream was closed properly."""
        return self.done and self.error is None and self.finish_reason is not None


class Client:
    """Asks one model of one frontend."""

    def __init__(self, url: str, model: str) -> None:
        self.url = url
        self.model = model

    def chat(self, prompt: str, **options: Any) -> httpx.Response:
        return self.post("/v1/chat/completions", self._chat_body(prompt, options))

    def completion(self, prompt: Any, **options: Any) -> httpx.Response:
        return self.post("/v1/completions", {"model": self.model, "prompt": prompt, **options})

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=PATIENCE)

    def stream_chat(self, prompt: str, **options: Any) -> Stream:
        return self.stream("/v1/chat/completions", self._chat_body(prompt, options))

    def stream_completion(self, prompt: str, **options: Any) -> Stream:
        return self.stream("/v1/completions", {"model": self.model, "prompt": prompt, **options})

    def stream(
        self, path: str, body: dict[str, Any], leave_when: Callable[[Stream], bool] = lambda _: False
    ) -> Stream:
        """Reads a stream to its end, or closes the connection once `leave_when` says so."""
        seen = Stream()
        request = httpx.stream("POST", self.url + path, json={**body, "stream": True}, timeout=PATIENCE)
        try:
            with request as response:
                seen.status = response.status_code
                if response.status_code != 200:
                    seen.error = response.read().decode() or f"HTTP {response.status_code}"
                    return seen
                for data in _events(response.iter_lines()):
                    if data == "[DONE]":
                        seen.done = True
                        continue
                    chunk = json.loads(data)
                    if "choices" in chunk:
                        seen.chunks.append(chunk)
                    else:
                        seen.error = chunk
                    if leave_when(seen):
                        break
        except httpx.HTTPError as error:
            seen.error = repr(error)
        return seen

    def _chat_body(self, prompt: str, options: dict[str, Any]) -> dict[str, Any]:
        messages = [SYSTEM, {"role": "user", "content": prompt}]
        return {"model": self.model, "messages": messages, **options}


def endless(tokens: int) -> dict[str, Any]:
    """A completion that goes on for exactly this many tokens, whatever the model thinks."""
    return {"prompt": "1, 2, 3, 4,", "max_tokens": tokens, "temperature": 0, "ignore_eos": True}


def in_parallel(count: int, work: Callable[[int], Stream]) -> list["Future[Stream]"]:
    """Starts `count` calls at once, each in a thread of its own."""
    pool = ThreadPoolExecutor(count)
    calls = [pool.submit(work, number) for number in range(count)]
    pool.shutdown(wait=False)
    return calls


def _events(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("data: "):
            yield line.removeprefix("data: ")
