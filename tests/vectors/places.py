"""How a worker stands in Dynamo: vectors of the kinds `registration` and `health`."""

import json

# Dynamo's names of worker types, and the plugins that are them.
PLUGINS = {"decode": "decode", "disagg_decode": "decode", "prefill": "prefill",
           "disagg_prefill": "prefill", "embedding": "embedding", "rerank": "rerank",
           "dllm": "llm_diffusion", "image_diffusion": "image_diffusion",
           "video_generation": "video_generation", "encode": "multimodal_encode",
           "mm_worker": "multimodal_worker", "mm_prefill": "multimodal_prefill"}
# Their engines have no KV cache, and nothing to say about tokens.
DIFFUSERS = {"image_diffusion", "video_generation"}
# The health checks of workers that do half of the work; the second is another name for the first.
DISAGGREGATED = {"SglangDisaggHealthCheckPayload", "SglangPrefillHealthCheckPayload"}
MODES = {"agg": "null", "decode": "decode", "prefill": "prefill"}

# The recording machine, and the engine it pretended to have.
ADDRESS = "10.0.0.7"
BOOTSTRAP = {"host": "0.0.0.0", "disaggregation_bootstrap_port": 8998}
CONTEXT_LENGTH = 4096
BEGINNING = 5

# What Dynamo makes of the engine's `--kv-events-config` before it registers, and what makes it that.
USE_KV_EVENTS = {"kv_events_config": '{"publisher": "zmq"}'}


def is_one(vector):
    return vector["kind"] in ("registration", "health")


def worker_type(vector):
    """As Dynamo calls it."""
    if vector["kind"] == "registration":
        return vector["input"]["worker_type"]
    return vector["name"].split("/")[1]


def plugin(vector):
    """The plugin's name, which is that of its folder of cases; none if there is no such plugin."""
    return PLUGINS.get(worker_type(vector))


def case_of(vector, LeftOut, known):
    if plugin(vector) is None:
        raise LeftOut("there is no plugin for this worker type yet")
    case = {
        "format": 1,
        "name": vector["name"],
        "source": "dynamo.sglang 1.6.1, " + vector["source"],
    }
    if "notes" in vector:
        case["notes"] = vector["notes"]
    make = registration if vector["kind"] == "registration" else health
    return case | make(vector, LeftOut, known)


def registration(vector, LeftOut, known):
    given, expected = vector["input"], vector["expected"]
    known("input", given, "worker_type", "serving_mode", "server_args_overrides",
          "dynamo_args_overrides", "page_size", "max_prefill_tokens", "max_total_num_tokens")
    known("expected", expected, "served_endpoints", "register_model",
          # Routes, metrics, shutdown and warm-up are the host's, or cases of their own.
          "engine_routes", "other", "unregistered_on_shutdown")
    if plugin(vector) in DIFFUSERS:
        return diffuser(given, expected)
    server = {
        "disaggregation_mode": MODES[given["serving_mode"]],
        "context_length": CONTEXT_LENGTH,
        "page_size": given["page_size"],
        "max_prefill_tokens": given["max_prefill_tokens"],
        "max_total_num_tokens": given["max_total_num_tokens"],
    }
    if given["serving_mode"] != "agg":
        server |= BOOTSTRAP
    if given["worker_type"] == "dllm":
        server["dllm_algorithm"] = "LowConfidence"
    settings = dict(given["dynamo_args_overrides"])
    if settings.pop("use_kv_events", False):
        server |= USE_KV_EVENTS
    [registered] = expected["register_model"]
    # The host has read `--dyn-structural-tag` before a plugin sees what came of it.
    settings["structural_tag"] = registered["runtime_config"]["structural_tag"]
    if registered.get("max_gpu_lora_count") is not None:
        registered["runtime_config"]["max_gpu_lora_count"] = registered["max_gpu_lora_count"]
    [served] = [of for of in expected["served_endpoints"]
                if of["serve_endpoint"] == registered["endpoint"]]
    return {
        "settings": settings,
        "engine": {
            "model_path": registered["model_path"],
            "served_name": registered["model_name"],
            "address": ADDRESS,
            "answers": {"/server_info": server | given["server_args_overrides"]},
            "files": {"tokenizer_config.json": {"bos_token_id": BEGINNING}},
        },
        "registration": {
            "model_types": registered["model_type"],
            "input": registered["model_input"].lower(),
            "worker_type": registered["worker_type"],
            "needs": registered["needs"],
            "component": registered["endpoint"].split(".")[1],
            "kv_cache_block_size": registered["kv_cache_block_size"],
            "runtime_config": {"$subset": runtime_config(registered["runtime_config"], vector)},
            "concurrency": None,
        },
        "health_check": served["health_check_payload"],
    }


def diffuser(given, expected):
    [registered] = expected["register_model"]
    [served] = expected["served_endpoints"]
    return {
        "settings": given["dynamo_args_overrides"],
        "engine": {
            "model_path": registered["model_path"],
            "served_name": registered["model_name"],
            "answers": {"/server_info": {"dp_size": 1} | given["server_args_overrides"]},
        },
        "registration": {
            "model_types": registered["model_type"],
            "input": registered["model_input"].lower(),
            "worker_type": registered["worker_type"],
            "needs": registered["needs"],
            "component": registered["endpoint"].split(".")[1],
            "kv_cache_block_size": 0,
            "runtime_config": registered["runtime_config"] or {},
            # Dynamo's worker has a lock instead, or the engine's queue.
            "concurrency": 1,
        },
        "health_check": served["health_check_payload"],
    }


def runtime_config(recorded, vector):
    """As it stands in a model card. What was not set when it was recorded may have its default."""
    # The only one of Dynamo's defaults that ours are held to.
    config = {"enable_local_indexer": True} | recorded
    host, port = config.pop("bootstrap_host", None), config.pop("bootstrap_port", None)
    if host is not None:
        config["disaggregated_endpoint"] = {"bootstrap_host": host, "bootstrap_port": port}
    # Dynamo's worker hands each value over as JSON.
    data = {name: json.loads(value) for name, value in config.pop("runtime_data", {}).items()}
    if plugin(vector) == "llm_diffusion":
        # It says so, but takes no such requests. tests/cases/ODDITIES.md.
        data.pop("sglang_generate", None)
    config["runtime_data"] = data
    return config


def health(vector, LeftOut, known):
    given, expected = vector["input"], vector["expected"]
    known("input", given, "payload_class", "engine", "model", "use_text_input", "env",
          "env_file_content")
    known("expected", expected, "payload")
    if "DYN_HEALTH_CHECK_PAYLOAD" in given["env"]:
        raise LeftOut("what the operator puts in its place is the host's business, not a plugin's")
    settings = {"use_sglang_tokenizer": True} if given.get("use_text_input") else {}
    if settings and plugin(vector) == "prefill":
        raise LeftOut("this worker type serves token ids only")
    engine = given.get("engine") or {}
    known("engine", engine, "bos", "tok", "disaggregation_bootstrap_port")
    server = {}
    if given["payload_class"] in DISAGGREGATED:
        server = {"disaggregation_mode": plugin(vector), "host": "127.0.0.1"}
        port = engine.get("disaggregation_bootstrap_port")
        if port is not None:
            server["disaggregation_bootstrap_port"] = port
        elif plugin(vector) == "prefill":
            raise LeftOut("an engine without a bootstrap server is none that does prefill")
    if plugin(vector) == "llm_diffusion":
        server = {"dllm_algorithm": "LowConfidence"}
    model_path = "/models/test-model"
    if plugin(vector) in DIFFUSERS:
        # Dynamo names the model by its path there.
        model_path = given.get("model") or model_path
    files = {}
    if "bos" in engine:
        # A tokenizer without such a token says so.
        bos = engine["bos"]
        known_as = {"bos_token": None} if bos is None else {"bos_token_id": bos}
        files["tokenizer_config.json"] = known_as
    return {
        "settings": settings,
        "engine": {
            "model_path": model_path,
            "served_name": given.get("model") or "test-model",
            "answers": {"/server_info": server},
            "files": files,
        },
        "health_check": expected["payload"],
    }
