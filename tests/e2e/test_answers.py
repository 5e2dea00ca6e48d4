"""What a client reads when all is well."""

from client import FRANCE, Client, Stream, endless, in_parallel
from harness.engines import Engine


def test_chat(client: Client, engine: Engine) -> None:
    response = client.chat(FRANCE, max_tokens=16, temperature=0)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["object"] == "chat.completion"
    assert answer["model"] == client.model
    choice = answer["choices"][0]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] in ("stop", "length")
    if engine.knows_france:
        assert "Paris" in choice["message"]["content"]


def test_chat_reports_usage(client: Client) -> None:
    usage = client.chat(FRANCE, max_tokens=5, temperature=0).json()["usage"]
    assert 0 < usage["completion_tokens"] <= 5
    assert usage["prompt_tokens"] > 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_streamed_chat_says_the_same(client: Client) -> None:
    whole = client.chat(FRANCE, max_tokens=16, temperature=0).json()["choices"][0]
    stream = client.stream_chat(FRANCE, max_tokens=16, temperature=0)
    assert stream.complete, stream
    assert stream.text == whole["message"]["content"]
    assert stream.finish_reason == whole["finish_reason"]
    assert len(stream.chunks) > 2
    assert len({chunk["id"] for chunk in stream.chunks}) == 1


def test_streamed_chat_reports_usage_when_asked(client: Client) -> None:
    stream = client.stream_chat(FRANCE, max_tokens=5, stream_options={"include_usage": True})
    assert stream.complete, stream
    assert stream.usage and stream.usage["prompt_tokens"] > 5


def test_completion(client: Client, engine: Engine) -> None:
    response = client.completion("The capital of France is", max_tokens=6, temperature=0)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"]
    if engine.knows_france:
        assert "Paris" in answer["choices"][0]["text"]


def test_streamed_completion_says_the_same(client: Client) -> None:
    options = {"max_tokens": 12, "temperature": 0}
    whole = client.completion("The capital of France is", **options).json()["choices"][0]
    stream = client.stream_completion("The capital of France is", **options)
    assert stream.complete, stream
    assert stream.text == whole["text"]
    assert stream.finish_reason == whole["finish_reason"]


def test_max_tokens_ends_an_answer(client: Client) -> None:
    answer = client.completion("1, 2, 3, 4,", max_tokens=3, temperature=0).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3


def test_stop_string_ends_an_answer(client: Client) -> None:
    options = {"max_tokens": 24, "temperature": 0}
    free = client.completion("1, 2, 3, 4,", **options).json()["choices"][0]["text"]
    stop = free[len(free) // 2 :][:2]
    stopped = client.completion("1, 2, 3, 4,", stop=[stop], **options).json()["choices"][0]
    assert stopped["finish_reason"] == "stop"
    assert stopped["text"] == free[: free.index(stop)]


def test_several_answers_at_once_do_not_mix(client: Client) -> None:
    # Not by their text: an engine that batches computes a little differently each time.
    def ask(number: int) -> Stream:
        body = {"model": client.model, **endless(number + 1), "stream_options": {"include_usage": True}}
        return client.stream("/v1/completions", body)

    for number, call in enumerate(in_parallel(8, ask)):
        stream = call.result()
        assert stream.complete, stream
        assert stream.usage and stream.usage["completion_tokens"] == number + 1


def test_unicode_survives(client: Client) -> None:
    stream = client.stream_chat("Répète : « été, 東京, 🦀 »", max_tokens=24, temperature=0)
    assert stream.complete, stream
    whole = client.chat("Répète : « été, 東京, 🦀 »", max_tokens=24, temperature=0).json()
    assert stream.text == whole["choices"][0]["message"]["content"]


def test_log_probabilities(client: Client) -> None:
    response = client.chat(FRANCE, max_tokens=4, temperature=0, logprobs=True, top_logprobs=2)
    assert response.status_code == 200, response.text
    content = response.json()["choices"][0]["logprobs"]["content"]
    assert 1 <= len(content) <= 4
    for token in content:
        assert token["logprob"] <= 0
        assert token["logprob"] <= token["top_logprobs"][0]["logprob"] + 1e-6
        assert len(token["top_logprobs"]) == 2


def test_two_choices(client: Client) -> None:
    response = client.completion("1, 2, 3, 4,", n=2, max_tokens=4, temperature=1)
    assert response.status_code == 200, response.text
    assert [choice["index"] for choice in response.json()["choices"]] == [0, 1]
    assert all(choice["finish_reason"] == "length" for choice in response.json()["choices"])
