"""Dynamo's token protocol: what a worker registered with `Input.TOKENS` is asked and what it answers.

Types for `Request.parse` and `Chunks.send`, mirroring `PreprocessedRequest` and `LLMEngineOutput` of
Dynamo 1.6.1 (`protocols/common/preprocessor.rs`, `llm_backend.rs`): the members a worker can act on. A
request's `token_ids` stay with the host (`Prompt`).
"""

from typing import Any, Literal, NotRequired, TypedDict


class SamplingOptions(TypedDict, total=False):
    """How to choose tokens."""

    n: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    repetition_penalty: float | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    seed: int | None
    guided_decoding: dict[str, Any] | None


class StopConditions(TypedDict, total=False):
    """When to stop."""

    max_tokens: int | None
    min_tokens: int | None
    stop: list[str] | None
    # The only ones a client may be told it stopped at.
    stop_token_ids: list[int] | None
    stop_token_ids_hidden: list[int] | None
    ignore_eos: bool | None


class OutputOptions(TypedDict, total=False):
    """What to report besides tokens."""

    logprobs: int | None
    prompt_logprobs: int | None


class GenerateRequest(TypedDict, total=False):
    """One request for tokens."""

    model: str
    sampling_options: SamplingOptions
    stop_conditions: StopConditions
    output_options: OutputOptions
    annotations: list[str]
    routing: dict[str, Any] | None
    multi_modal_data: dict[str, Any] | None
    extra_args: dict[str, Any] | None


class CompletionUsage(TypedDict):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class TopLogprob(TypedDict):
    """One alternative at one position; rank 1 is the likeliest."""

    rank: int
    token_id: int
    token: str | None
    logprob: float


class TokenChunk(TypedDict):
    """One chunk of a generated answer."""

    index: int
    # May be empty on the last chunk of a choice.
    token_ids: list[int]
    # Set on the last chunk of a choice.
    finish_reason: NotRequired[Literal["eos", "length", "stop", "cancelled", "content_filter"]]
    stop_reason: NotRequired[str | int]
    log_probs: NotRequired[list[float]]
    top_logprobs: NotRequired[list[list[TopLogprob]]]
    completion_usage: NotRequired[CompletionUsage]


class EmbeddingRequest(TypedDict, total=False):
    """OpenAI's request for embeddings, as the frontend hands it through."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    dimensions: int | None
    encoding_format: Literal["float", "base64"] | None


class Embedding(TypedDict):
    """One vector."""

    object: Literal["embedding"]
    embedding: list[float]
    index: int


class EmbeddingResponse(TypedDict):
    """The whole answer to it, one chunk."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: dict[str, int]
