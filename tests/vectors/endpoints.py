"""Cases from vectors of kind `endpoint`: what a worker answers beside `generate`.

The recording followed a worker's hands: which files it fetched, what it told its engine, which card
it published. Here the engine is behind HTTP, and files and cards are the host's: both are exchanges
of a case (tests/cases/README.md).
"""

# What the recording stand-ins had: the engine's --max-loras-per-batch, and where files were fetched
# to. The host takes a fetched directory as it comes.
SERVER = {"max_loras_per_batch": 8}


def case_of(vector, left_out, known):
    """The case that means the same as `vector`; raises `left_out`."""
    given, expected = vector["input"], vector["expected"]
    case = {"format": 1, "name": vector["name"], "source": vector["source"]}
    if vector["name"].startswith("lora/"):
        known("input", given, "serving_mode", "operations", "lora_manager_available",
              "download_result", "engine_load_result", "engine_unload_result", "publish_fails",
              "unregister_fails")
        if given["serving_mode"] == "prefill":
            raise left_out("what a prefill worker has of these is shared with decode, and in prefill/by_hand")
        mode = {"agg": "null", "decode": "decode"}[given["serving_mode"]]
        case["engine"] = {"answers": {"/server_info": {**SERVER, "disaggregation_mode": mode}}}
        if not given["lora_manager_available"]:
            case["adapters"] = None
        answers = iter([step["response"] for step in expected["trace"] if "response" in step])
        case["routes"] = [route(operation, next(answers)) for operation in given["operations"]]
        case["exchanges"] = [
            lora_step(step, given) for step in expected["trace"] if "response" not in step
        ]
    elif vector["name"].startswith("clear_kv_blocks/"):
        known("input", given, "active", "boom", "flush", "no_engine")
        if given.get("active") or given.get("no_engine"):
            raise left_out("SGLang's server itself refuses while it is at work, and a worker here "
                           "has an engine")
        [answer] = expected["chunks"]
        case["engine"] = {"answers": {"/server_info": SERVER}}
        case["routes"] = [{"path": "clear_kv_blocks", "answer": answer}]
        reply = {"body": "Cache flushed."}
        if given.get("boom") or not given.get("flush", {"success": True})["success"]:
            reply = {"status": 400, "body": answer["message"]}
        case["exchanges"] = [exchange("POST", "/flush_cache?timeout=1", {}, reply)]
    else:
        raise left_out("no such endpoint yet")
    if not case["exchanges"]:
        del case["exchanges"]
    return case


def route(operation, response):
    [[answer]] = response.values()
    return {"path": operation["endpoint"], "body": operation["body"], "answer": answer}


def exchange(method, path, body, reply):
    return {"call": {"method": method, "path": path, "body": body}, "reply": reply}


def lora_step(step, given):
    """One thing the worker did, and what came of it."""
    [(what, of)] = step.items()
    failed = {"status": 500, "body": "etcd down"}
    if what == "download":
        got = given["download_result"] or {"status": "success"}
        reply = {"body": "/cache/" + of.rsplit("/", 1)[1]}
        if got["status"] != "success":
            reply = {"status": 500, "body": got.get("message", "Unknown error")}
        return exchange("HOST", "/adapters/fetch", {"uri": of}, reply)
    if what == "register":
        body = {
            "name": of["lora_name"],
            "id": of["user_data"]["lora_id"],
            "max_loaded": of["max_gpu_lora_count"],
        }
        reply = failed if given["publish_fails"] else {"body": {}}
        return exchange("HOST", "/adapters/publish", body, reply)
    if what == "unregister":
        reply = failed if given["unregister_fails"] else {"body": {}}
        return exchange("HOST", "/adapters/withdraw", {"name": of}, reply)
    result = given[{
        "load_lora_adapter": "engine_load_result",
        "unload_lora_adapter": "engine_unload_result",
    }[what]]
    result = {"success": True} if result is None else result
    reply = {"body": result} if result.get("success", True) else {"status": 400, "body": result}
    return exchange("POST", "/" + what, of, reply)
