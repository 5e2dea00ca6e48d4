#!/usr/bin/env python3
"""Makes cases from recorded vectors of Dynamo's SGLang workers.

    import.py                         import what SETS names, into tests/cases
    import.py --check                 say whether that would change anything (exit 1 if so)
    import.py --out DIR VECTORS...    import other files of the same shape into DIR

A vector says what Dynamo's Python worker was given and what it did: which keyword arguments it
called its in-process engine with, which chunks it yielded, how it failed. Ours talks to the engine
over HTTP, so an expected call becomes the HTTP request with the same meaning; `case_of` and what it
calls say how, line by line. Requests for images and videos are in media.py, what multimodal workers do
in multimodal.py, what a worker does beside requests in endpoints.py and routes.py, what becomes
of a client that leaves in cancellation.py, what comes of its command line in command_line.py. tests/vectors/README.md describes the vectors, tests/cases/README.md the cases.

A vector that cannot be a case is left out, with its reason in the summary. Two kinds of reasons:
HTTP cannot express it (listed in tests/cases/ODDITIES.md), which is fine, or this script does not
know a member of it, which is not (exit 1).
"""

import argparse
import json
import re
import sys
from pathlib import Path

import cancellation
import command_line
import endpoints
import layout
import media
import multimodal
import places
import routes
import template

HERE = Path(__file__).resolve().parent
CASES = HERE.parent / "cases"

# Vector files beside this script, and the folder of tests/cases they become.
SETS = {
    "decode_aggregated.json": "decode",
    "decode_disagg.json": "decode",
    "decode_native_passthrough.json": "decode",
    "engine_routes.json": "decode",
    "lora.json": "decode",
    "cancellation.json": "decode",
    "decode_text_mode.json": "decode",
    "prefill.json": "prefill",
    "embedding.json": "embedding",
    "rerank.json": "rerank",
    "dllm.json": "llm_diffusion",
    "image_diffusion.json": "image_diffusion",
    "video_generation.json": "video_generation",
    "multimodal_encode.json": "multimodal_encode",
    "multimodal_worker.json": "multimodal_worker",
    "multimodal_prefill.json": "multimodal_prefill",
    # In the folders of their plugins.
    "registration.json": ".",
    "health.json": ".",
    # Their names begin with the folder.
    "cli.json": ".",
}

# What the recording stand-in for the engine had where a vector does not say otherwise.
MODEL_PATH = "/models/test-model"
SERVED_NAME = "test-model"
MODEL_CONFIG = {"vocab_size": 32000}
# The recording machine, and what its stand-in for a prefill engine reported: a bootstrap server that
# listens at every address.
ADDRESS = "10.0.0.7"
PREFILL_SERVER = {"host": "0.0.0.0", "disaggregation_bootstrap_port": 8998}

# Members of `Engine.async_generate` and `async_encode` that SGLang's HTTP server names otherwise.
HTTP_NAMES = {"data_parallel_rank": "routed_dp_rank", "prompt": "text"}
# Texts that hold JSON, which has more than one spelling.
JSON_TEXTS = {"json_schema", "structural_tag"}
TRACE_HEADERS = ["traceparent", "tracestate"]
DISAGGREGATION_MODES = {"agg": "null", "prefill": "prefill", "decode": "decode"}
ENCODERS = {"embedding", "rerank"}


class LeftOut(Exception):
    """The vector means something HTTP cannot say."""


class Unknown(Exception):
    """The vector has a member this script does not know."""


def known(what, members, *names):
    for name in members:
        if name not in names:
            raise Unknown(f"{what} has a member `{name}` that import.py does not know")


def case_of(vector):
    """The case that means the same as `vector`."""
    known("the vector", vector, "name", "kind", "input", "expected", "source", "derived",
          "obtained", "notes")
    if vector["kind"] == "endpoint":
        return endpoints.case_of(vector, LeftOut, known)
    if routes.is_one(vector):
        return routes.case_of(vector, LeftOut, known)
    if vector["kind"] == "cancellation":
        return cancellation.case_of(vector, sys.modules[__name__])
    if vector["kind"] == "cli":
        return command_line.case_of(vector, LeftOut, known)
    if places.is_one(vector):
        return places.case_of(vector, LeftOut, known)
    if media.is_one(vector):
        return media.case_of(vector, LeftOut, known)
    if multimodal.is_one(vector):
        return multimodal.case_of(vector, sys.modules[__name__])
    if vector["kind"] not in ("request", "output", "error"):
        raise LeftOut(f"kind `{vector['kind']}` is no request")
    given, expected = vector["input"], vector["expected"]
    known("input", given, "worker", "context", "request", "engine_chunks", "engine_result",
          "client_stops_after")
    known("expected", expected, "engine_calls", "chunks", "error", "engine_aborts",
          # Counts calls of a Python object. Our host notices the first token by itself.
          "first_token_notifications")
    case = {
        "format": 1,
        "name": vector["name"],
        "source": "dynamo.sglang 1.6.1, " + vector["source"],
    }
    if "notes" in vector:
        case["notes"] = vector["notes"]
    # Null means no limit, absent SGLang's own limit of 128.
    case["strict_null"] = ["max_new_tokens"]
    case |= worker(given["worker"])
    if (given["worker"]["type"] == "prefill" and given.get("client_stops_after") == 1
            and not given["request"].get("_HEALTH_CHECK")):
        raise LeftOut("a client that leaves at the first chunk leaves before the engine is called")
    if is_text_mode(given["worker"]):
        tokenizer = case["engine"]["files"].setdefault("tokenizer_config.json", {})
        if tokenizer is not None:
            tokenizer["chat_template"] = template.chat_template(tokenizer.get("chat_template"), vector)
        elif "messages" not in given["request"] and {"prompt", "text"} & given["request"].keys():
            raise LeftOut("whether there is a tokenizer is the engine's business")
    case["request"] = given["request"]
    case["context"] = context(given)
    case["exchanges"] = exchanges(vector)
    if "chunks" in expected:
        case["chunks"] = expected["chunks"]
    if "error" in expected:
        dynamo = expected["error"]["dynamo"]
        case["error"] = {"class": dynamo["class"], "public": dynamo["message_is_public"]}
    if "engine_aborts" in expected:
        case["aborts"] = [abort(of) for of in expected["engine_aborts"]]
    return case


def is_text_mode(worker):
    return bool((worker.get("dynamo_args") or {}).get("use_sglang_tokenizer"))


def worker(worker):
    """Settings, engine and adapters."""
    known("worker", worker, "type", "serving_mode", "server_args", "dynamo_args", "engine",
          "loaded_loras")
    engine = worker.get("engine") or {}
    known("worker.engine", engine, "optional_kwargs", "model_config", "tokenizer")
    settings = dict(worker.get("dynamo_args") or {})
    if "optional_kwargs" in engine:
        settings["engine_capabilities"] = engine["optional_kwargs"]

    server_info = {"disaggregation_mode": DISAGGREGATION_MODES[worker["serving_mode"]]}
    if worker["serving_mode"] == "prefill":
        server_info |= PREFILL_SERVER
    if worker["type"] in ENCODERS:
        # Dynamo's worker starts its engine so, and these vectors take it for granted.
        server_info["is_embedding"] = True
    server_info |= worker.get("server_args") or {}
    answers = {"/server_info": server_info}
    config = dict(MODEL_CONFIG if engine.get("model_config") is None else engine["model_config"])
    model_path = config.pop("model_path", MODEL_PATH)
    if "is_multimodal" in config:
        # SGLang's Python object has one flag, its HTTP answer one for each kind of input. A worker
        # may read either.
        multimodal = config.pop("is_multimodal")
        answers["/model_info"] = {
            "is_multimodal": multimodal,
            "has_image_understanding": multimodal,
            "has_audio_understanding": multimodal,
        }
    files = {"config.json": config}
    if "tokenizer" in engine:
        files["tokenizer_config.json"] = engine["tokenizer"]
    case = {
        "settings": settings,
        "engine": {
            "model_path": model_path,
            "served_name": SERVED_NAME,
            "answers": answers,
            "files": files,
        },
    }
    if worker["serving_mode"] == "prefill":
        case["engine"]["address"] = ADDRESS
    if "loaded_loras" in worker:
        case["adapters"] = worker["loaded_loras"]
    return case


def context(given):
    known("context", given["context"], "id", "trace_id", "trace_headers")
    context = {"id": given["context"]["id"]}
    if given["context"].get("trace_headers"):
        context["trace_headers"] = given["context"]["trace_headers"]
    if "client_stops_after" in given:
        context["cancel_after_chunks"] = given["client_stops_after"]
    if any(chunk.get("$shutdown_before") for chunk in given.get("engine_chunks") or []):
        # The moment does not matter: the worker looks when the engine fails.
        context["shutting_down"] = True
    return context


def exchanges(vector):
    """The calls of the engine with their answers."""
    given, expected = vector["input"], vector["expected"]
    calls = expected.get("engine_calls")
    if calls is None:
        # A refusal comes before the engine is called, and then no calls were recorded. Where they
        # are not the point, the answer is.
        if vector["kind"] == "error" and not expected.get("chunks"):
            return []
        path = "/encode" if given["worker"]["type"] in ENCODERS else "/generate"
        calls = [{"method": "POST", "path": path}]
    else:
        calls = [call(of, vector) for of in calls]
    return [{"call": of, "reply": reply(of, given)} for of in calls]


def call(of, vector):
    """The HTTP request that means the same as a call of SGLang's Python interface."""
    known("an engine call", of, "method", "kwargs", "obj")
    members = dict(of.get("kwargs") or of.get("obj"))
    kind = members.pop("$type", of["method"])
    paths = {"async_generate": "/generate", "GenerateReqInput": "/generate",
             "async_encode": "/encode", "EmbeddingReqInput": "/encode"}
    if kind not in paths:
        raise Unknown(f"an engine call is a `{kind}`, which import.py does not know")
    if unsendable(members):
        raise LeftOut("media decoded by the frontend cannot be sent to SGLang over HTTP")
    call = {"method": "POST", "path": paths[kind]}
    headers = members.pop("external_trace_header", None)
    if headers:
        call["headers"] = headers
    else:
        call["without_headers"] = TRACE_HEADERS
    request = vector["input"]["request"]
    in_text = (vector["input"]["worker"].get("dynamo_args") or {}).get("use_sglang_tokenizer")
    if in_text and "input_ids" in members:
        # The stand-in for a tokenizer encoded it. Here the engine's server does.
        del members["input_ids"]
        members["prompt"] = request["prompt"] if "prompt" in request else request["text"]
    body = {HTTP_NAMES.get(name, name): member for name, member in members.items()}
    body["rid"] = engine_id(body, vector)
    call["body"] = comparable(body)
    return call


def engine_id(body, vector):
    """The request's id at the engine.

    Some workers use the trace's or the request's id, which a client may have chosen, and leave it to
    the engine where there is none. Ours uses a fresh one everywhere, with a number behind it for
    each item of a batch.
    """
    given = vector["input"]
    if body.get("rid") is None and given["worker"]["type"] in ENCODERS:
        inputs = batch_of(body)
        return "<rid>" if inputs is None else [f"<rid>-{item}" for item in range(len(inputs))]
    context = given["context"]
    rid = json.dumps(body.get("rid"))
    for known_id in filter(None, [context.get("trace_id"), context["id"]]):
        rid = re.sub(f'"{re.escape(known_id)}(-\\d+)?"', r'"<rid>\1"', rid)
    return json.loads(rid)


def batch_of(body):
    """The inputs of a call of /encode if it is one for several, else None."""
    inputs = body.get("text", body.get("input_ids"))
    return inputs if isinstance(inputs, list) and inputs and not isinstance(inputs[0], int) else None


def unsendable(value):
    """Whether there is an object of Python's in it: a decoded image, an array."""
    if isinstance(value, dict):
        return bool({"$tensor", "$ndarray"} & value.keys()) or any(map(unsendable, value.values()))
    if isinstance(value, list):
        return any(map(unsendable, value))
    return isinstance(value, str) and re.fullmatch(r"<\w+:\d+>", value) is not None


def comparable(value, name=None):
    """Without nulls, which mean absent, and with patterns where there is more than one spelling."""
    if isinstance(value, dict):
        return {key: comparable(member, key) for key, member in value.items()
                if member is not None or key == "max_new_tokens"}
    if isinstance(value, list):
        # Comes out of a Python set.
        return {"$set": value} if name == "stop_token_ids" else [comparable(item) for item in value]
    if isinstance(value, str) and name in JSON_TEXTS:
        try:
            return {"$json_text": json.loads(value)}
        except ValueError:
            return value
    return value


def reply(call, given):
    """What the engine answers."""
    if "engine_chunks" in given:
        events = [event(chunk) for chunk in given["engine_chunks"]]
        return {"framing": "sse", "events": events + ["[DONE]"]}
    result = given.get("engine_result")
    if isinstance(result, dict) and "$raise" in result:
        return {"status": 500, "body": {"error": {"message": result["$raise"]}}}
    if result is None:
        # Not the point of the vector, so it has none: one embedding for each input.
        one = {"embedding": [0.5], "meta_info": {"id": "<rid>", "prompt_tokens": 1}}
        inputs = batch_of(call.get("body", {}))
        result = one if inputs is None else [one] * len(inputs)
    return {"body": result}


def event(chunk):
    if "$raise" in chunk:
        # An exception in the engine's process. Over HTTP the nearest is the event with which SGLang
        # reports that a stream it had begun has failed.
        return {"error": {"message": chunk["$raise"], "type": "internal_server_error",
                          "code": 500, "retryable": False}}
    known("an engine chunk", [name for name in chunk if name.startswith("$")], "$shutdown_before")
    return {name: member for name, member in chunk.items() if name != "$shutdown_before"}


def abort(of):
    known("an abort", of, "rid", "abort_all")
    body = {"rid": of["rid"]} | ({"abort_all": True} if of["abort_all"] else {})
    return {"method": "POST", "path": "/abort_request", "body": body}


def cases_of(path, out):
    """Files by their path, and what is left out as (name, reason, whether that is fine)."""
    files, left_out = {}, []
    for vector in json.loads(path.read_text()):
        name = vector["name"]
        if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", name):
            sys.exit(f"import.py: {path}: `{name}` is no name for a file")
        folder = out / (places.plugin(vector) or "") if places.is_one(vector) else out
        try:
            files[folder / f"{name}.json"] = layout.write(case_of(vector)) + "\n"
        except LeftOut as reason:
            left_out.append((name, str(reason), True))
        except Unknown as reason:
            left_out.append((name, str(reason), False))
    return files, left_out


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("vectors", nargs="*", type=Path, help="vector files (default: all here)")
    arguments.add_argument("--out", type=Path, help="where the cases of VECTORS go")
    arguments.add_argument("--check", action="store_true", help="change nothing, say what would")
    options = arguments.parse_args()
    if bool(options.vectors) != bool(options.out):
        arguments.error("VECTORS and --out go together")
    jobs = [(path, options.out) for path in options.vectors]
    jobs = jobs or [(HERE / name, CASES / folder) for name, folder in SETS.items()]

    files, ok = {}, True
    for path, out in jobs:
        made, left_out = cases_of(path, out)
        files |= made
        ok &= all(fine for _, _, fine in left_out)
        print(f"{path.name}: {len(made)} cases, {len(left_out)} left out")
        for name, reason, _ in left_out:
            print(f"  {name}: {reason}")

    # A folder that an imported case is in holds nothing else: cases written by hand go beside it.
    present = {path for folder in {path.parent for path in files} for path in folder.glob("*.json")}
    stale = sorted(present - files.keys())
    changed = sorted(p for p, text in files.items() if not p.exists() or p.read_text() != text)
    if options.check:
        for path in changed + stale:
            print(f"  {path} is not what import.py makes of the vectors; run it")
        return 0 if ok and not changed + stale else 1
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path])
    for path in stale:
        path.unlink()
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
