"""The peer: Dynamo's own handler for SGLang, on Dynamo's runtime, over an engine that yields at once.

    decode.py SITE_PACKAGES ENDPOINT

SITE_PACKAGES has `ai-dynamo`; the Python that runs this has SGLang. The engine object stands in for
`sglang.Engine`: it costs nothing and sits in this process, the best case for the peer. Its events are
those the other workers get over HTTP.
"""

import asyncio
import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.append(sys.argv[1])

import uvloop  # noqa: E402
from dynamo.common.constants import DisaggregationMode  # noqa: E402
from dynamo.llm import WorkerType  # noqa: E402
from dynamo.runtime import DistributedRuntime  # noqa: E402
from dynamo.sglang.request_handlers.llm.decode_handler import DecodeWorkerHandler  # noqa: E402
from sglang.srt.entrypoints.engine import Engine  # noqa: E402

DATA = Path(__file__).parents[2] / "host/benches/data"
LEAN = json.loads((DATA / "lean.json").read_text())
TOP_LOGPROBS = json.loads((DATA / "top_logprobs.json").read_text())


class PromptEngine:
    """Answers as fast as it is asked."""

    def __init__(self, server_args: SimpleNamespace) -> None:
        model = SimpleNamespace(vocab_size=151936)
        self.server_args = server_args
        self.tokenizer_manager = SimpleNamespace(
            model_config=model, server_args=server_args, tokenizer=None, rid_to_state=None,
            reasoning_parser=None, abort_request=lambda **_: None,
        )

        async def async_generate(**asked):
            return self._events(asked)

        # The handler asks which arguments the engine takes.
        parameters = [p for name, p in inspect.signature(Engine.async_generate).parameters.items() if name != "self"]
        async_generate.__signature__ = inspect.Signature(parameters)
        self.async_generate = async_generate

    async def _events(self, asked):
        event = TOP_LOGPROBS if asked.get("top_logprobs_num") else LEAN
        tokens = asked["sampling_params"].get("max_new_tokens") or 1
        for _ in range(max(0, -(-tokens // len(event["output_ids"])) - 1)):
            yield dict(event)
        reason = {"type": "length", "length": tokens}
        yield {**event, "meta_info": {**event["meta_info"], "finish_reason": reason}}


async def main() -> None:
    runtime = DistributedRuntime(asyncio.get_running_loop(), "file", "tcp")
    endpoint = runtime.endpoint(sys.argv[2])
    server_args = SimpleNamespace(
        served_model_name="bench", model_path="bench", skip_tokenizer_init=True, enable_trace=False,
        disaggregation_bootstrap_port=8998, dist_init_addr=None, reasoning_parser=None,
        enable_strict_thinking=False, schedule_low_priority_values_first=False, dllm_algorithm=None,
        enable_return_routed_experts=False, host="127.0.0.1",
    )
    dynamo_args = SimpleNamespace(use_sglang_tokenizer=False, frontend_decoding=False, enable_rl=False)
    config = SimpleNamespace(
        server_args=server_args, dynamo_args=dynamo_args, serving_mode=DisaggregationMode.AGGREGATED
    )
    handler = DecodeWorkerHandler(
        PromptEngine(server_args), config, None, endpoint, asyncio.Event(),
        enable_frontend_decoding=False,
        first_token_source=await endpoint.first_token_source(WorkerType.Aggregated),
    )
    await endpoint.serve_endpoint(handler.generate, graceful_shutdown=True)


uvloop.run(main())
