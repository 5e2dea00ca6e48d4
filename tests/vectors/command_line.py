"""Cases from vectors of kind `cli`: what comes of words, variables and files.

The recording ran Dynamo's `parse_args`, SGLang's own parser included. Ours does not parse the
engine's flags, so what is compared of them is what SGLang would read in the words our engine gets.
Case format: tests/cases/README.md, "Command lines".
"""

# The function 1.6.1 dispatches to, and our plugin.
PLUGINS = {
    "init_decode": "decode",
    "init_prefill": "prefill",
    "init_embedding": "embedding",
    "init_rerank": "rerank",
    "init_llm_diffusion": "llm_diffusion",
    "init_image_diffusion": "image_diffusion",
    "init_video_diffusion": "video_generation",
    "init_multimodal_encode_worker": "multimodal_encode",
    "init_multimodal_worker": "multimodal_worker",
    "init_multimodal_prefill_worker": "multimodal_prefill",
}

# Flags that ask for a worker, with their variables and plugins. The multimodal ones are those of
# the reference page, which 1.6.1 refuses.
WORKERS = {
    "--image-diffusion-worker": ("DYN_SGL_IMAGE_DIFFUSION_WORKER", "image_diffusion"),
    "--video-generation-worker": ("DYN_SGL_VIDEO_GENERATION_WORKER", "video_generation"),
    "--rerank-worker": ("DYN_SGL_RERANK_WORKER", "rerank"),
    "--embedding-worker": ("DYN_SGL_EMBEDDING_WORKER", "embedding"),
    "--multimodal-processor": ("DYN_SGL_MULTIMODAL_PROCESSOR", "multimodal_processor"),
    "--multimodal-encode-worker": ("DYN_SGL_MULTIMODAL_ENCODE_WORKER", "multimodal_encode"),
    "--multimodal-worker": ("DYN_SGL_MULTIMODAL_WORKER", "multimodal_worker"),
}
COMPONENTS = {
    "multimodal_processor": "processor",
    "multimodal_encode": "encode",
    "multimodal_prefill": "prefill",
}

# Members of 1.6.1's configuration that plugins get as settings.
SETTINGS = {
    "use_sglang_tokenizer", "dyn_tool_call_parser", "dyn_reasoning_parser",
    "dyn_default_thinking_mode", "exclude_tools_when_tool_choice_none", "structural_tag",
    "endpoint_types", "kv_state_endpoint", "enable_rl", "engine_routes", "enable_multimodal",
    "dedicated_mm_encoder", "embedding_transfer_mode", "frontend_decoding", "output_modalities",
    "multimodal_embedding_cache_capacity_gb", "multimodal_embedding_cache_publisher",
    "media_output_fs_url", "media_output_http_url",
}

# Members of SGLang's `ServerArgs` that its flags name otherwise.
FLAGS = {"tp_size": "tp", "dp_size": "dp"}

# Facts of 1.6.1's objects that are none of a command line's here.
DROPPED = {
    "dynamo.diffusion_worker": "what `init` says",
    "dynamo.multimodal_worker": "what `init` says",
    "dynamo.multimodal_encode_worker": "what `init` says",
    "dynamo.router_advertisement": "on the card as Dynamo writes it: cases cli/by_hand/router_*",
    "dynamo.use_kv_events": "read by whoever publishes them, in the engine's --kv-events-config",
    "server_args.is_embedding": "the plugin adds --is-embedding (cases of embedding and rerank)",
    "server_args.disable_radix_cache": "for --rerank-worker: the plugin adds it (cases of rerank)",
    "server_args.chunked_prefill_size": "for --rerank-worker: likewise",
    "server_args.max_running_requests": "for --dllm-algorithm: the plugin's to give its engine",
    "server_args.encoder_only": "the plugin of encode workers adds it",
    "server_args_is_stub": "SGLang's diffusion server has other arguments; here it has its words",
}


def case_of(vector, left_out, known):
    """The case that means the same as `vector`; raises `left_out`."""
    given, expected = vector["input"], vector["expected"]
    known("input", given, "argv", "env", "files")
    known("expected", expected, "exit_code", "error", "init", "serving_mode", "endpoint",
          "server_args", "dynamo", "runtime", "bootstrap_port_explicit", "server_args_is_stub")
    case = {
        "format": 1,
        "name": vector["name"],
        "source": "dynamo.sglang 1.6.1, " + vector["source"],
        "arguments": given["argv"],
        "environment": given["env"],
        "files": given.get("files", {}),
    }
    failed = "exit_code" in expected or "error" in expected
    if failed and "--no-such-flag" in given["argv"]:
        raise left_out("whether the engine knows a flag it says itself, when it is started")
    workers = asked_for(given)
    if len(workers) > 1 and not failed:
        return case | {
            "otherwise": "1.6.1 takes one of them without a word",
            "error": {"exit_code": 2, "names": [flag for flag, _ in workers][:2]},
        }
    page = [(flag, plugin) for flag, plugin in workers if plugin.startswith("multimodal")]
    if len(workers) == 1 and page:
        [(_, plugin)] = page
        if plugin == "multimodal_worker" and last(given["argv"], "--disaggregation-mode") == "prefill":
            plugin = "multimodal_prefill"
        return case | {
            "otherwise": "the reference page has this flag; 1.6.1 refuses or ignores it",
            "expect": {
                "plugin": plugin,
                "endpoint": f"dynamo.{COMPONENTS.get(plugin, 'backend')}.generate",
            },
        }
    if failed:
        # 1.6.1 ends with 2 where argparse refuses, with 1 elsewhere.
        return case | {"error": {"exit_code": 2}}
    return case | {"expect": facts(expected, known)}


def asked_for(given):
    """What asks for a worker: flag or variable, and the plugin."""
    argv, env = given["argv"], given["env"]
    found = []
    for flag, (variable, plugin) in WORKERS.items():
        negative = "--no-" + flag.removeprefix("--")
        forms = [word for word in argv if word in (flag, negative)]
        if forms[-1:] == [flag]:
            found.append((flag, plugin))
        elif not forms and env.get(variable, "").strip().lower() in ("1", "true", "yes", "on"):
            found.append((variable, plugin))
    algorithm = last(argv, "--dllm-algorithm")
    if algorithm:
        found.append((f"--dllm-algorithm {algorithm}", "llm_diffusion"))
    mode = last(argv, "--disaggregation-mode")
    # With anything multimodal the mode says which half it is.
    if found and mode in ("prefill", "decode") and not found[0][1].startswith("multimodal"):
        found.append((f"--disaggregation-mode {mode}", mode))
    return found


def last(argv, flag):
    """The value of `flag` that counts."""
    value = None
    for word, after in zip(argv, argv[1:] + [None]):
        if word == flag:
            value = after
        elif word.startswith(flag + "="):
            value = word.removeprefix(flag + "=")
    return value


def facts(expected, known):
    """What must come, in our words."""
    expect = {
        "plugin": PLUGINS[expected["init"]],
        "endpoint": expected["endpoint"],
        "disaggregation_mode": {"agg": "null"}.get(expected["serving_mode"],
                                                   expected["serving_mode"]),
    }
    dynamo, server = dict(expected.get("dynamo", {})), dict(expected.get("server_args", {}))
    if "served_model_name" in server:
        names = [server.pop("served_model_name"), *dynamo.pop("served_model_aliases", [])]
        expect["served_names"] = names
    if dynamo.pop("custom_jinja_template", False):
        expect["custom_jinja_template"] = "<FILE>"
    if expected.get("bootstrap_port_explicit"):
        expect["needs_bootstrap_port"] = False
    if "runtime" in expected:
        known("expected.runtime", expected["runtime"], "discovery_backend", "request_plane",
              "event_plane", "response_plane")
        expect["runtime"] = expected["runtime"]
    server.pop("disaggregation_mode", None)
    known("expected.dynamo", dynamo, *dropped("dynamo"), *SETTINGS)
    settings = {member: value for member, value in dynamo.items() if member in SETTINGS}
    if settings:
        expect["settings"] = settings
    rerank = expected["init"] == "init_rerank"
    plain = "" if rerank else "disable_radix_cache"
    engine = {
        FLAGS.get(member, member.replace("_", "-")): value
        for member, value in server.items()
        if member not in dropped("server_args") or member == plain
    }
    if engine:
        expect["engine"] = engine
    return expect


def dropped(of):
    return [name.split(".")[1] for name in DROPPED if name.startswith(of + ".")]
