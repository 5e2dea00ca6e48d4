"""Cases from vectors about routes under `/engine/`: what an operator asks, and what comes of it.

The recording called methods of SGLang's tokenizer manager; here each is a call of SGLang's server
under the same name. Leaving discovery and coming back are the host's (tests/cases/README.md), and
come in our order: the worker leaves before the engine is touched, and stays away while the engine is
paused or without memory (tests/cases/ODDITIES.md).
"""

SERVER = {"disaggregation_mode": "null"}
ALL_MEMORY = ["kv_cache", "weights", "cuda_graph"]
PAUSED = "paused"
# What SGLang's server answers where the recording has no value.
NOTHING = {"body": "null"}


def is_one(vector):
    return vector["kind"] in ("route_config", "route_flow", "route_result")


def case_of(vector, left_out, known):
    """The case that means the same as `vector`; raises `left_out`."""
    case = {
        "format": 1,
        "name": vector["name"],
        "source": "dynamo.sglang 1.6.1, " + vector["source"],
        "engine": {"answers": {"/server_info": SERVER}},
    }
    given, expected = vector["input"], vector["expected"]
    if vector["kind"] == "route_config":
        return case | config(given, expected, known)
    if vector["kind"] == "route_result":
        return case | result(given["value"], expected)
    if "calls" in given:
        return case | flow(given, expected, known)
    return case | builtin(given, expected, left_out, known)


def exchange(method, path, body, reply):
    return {"call": {"method": method, "path": path, "body": body}, "reply": reply}


def failure(expected):
    return {"error": {"class": expected["error"]["dynamo"]["class"]}}


def config(given, expected, known):
    """What the operator configures: each route is called once."""
    known("input", given, "descriptors", "engine_routes_flag")
    [words] = given.values()
    case = {"settings": {"engine_routes": words}}
    if "error" in expected:
        return case | failure(expected)
    routes = expected["routes"]
    if not routes:
        # What can be seen of it: the worker stands all the same.
        return case | {"registration": {"$subset": {}}}
    return case | {
        "routes": [{"path": of["path"], "answer": {"status": "ok"}} for of in routes],
        "exchanges": [exchange("POST", "/" + of["method"], {}, NOTHING) for of in routes],
    }


def result(value, expected):
    """What becomes of an answer."""
    reply = {"body": value}
    if isinstance(value, dict) and "$tuple" in value:
        members = value["$tuple"]
        reply = {"body": members}
        if len(members) in (2, 3):
            # SGLang's server gives them names itself, and a status.
            reply = {"status": 200 if members[0] else 400, "body": expected["body"]}
    return {
        "settings": {"engine_routes": ["method"]},
        "routes": [{"path": "method", "answer": expected["body"]}],
        "exchanges": [exchange("POST", "/method", {}, reply)],
    }


def builtin(given, expected, left_out, known):
    """A route of Dynamo's own."""
    known("input", given, "path", "body", "elastic_ep_backend")
    path, body = given["path"].removeprefix("/engine/"), given["body"]
    if path == "update/model_taints":
        raise left_out("the host's own route: tests of host/src/taints.rs")
    if path == "control/scale_elastic_ep" and "pending_ep_size" in expected.get("response", {}):
        raise left_out("SGLang's server says no sizes where it refuses to scale")
    method = "/" + path.rsplit("/", 1)[1]
    call = {"path": path, "body": body}
    if "error" in expected:
        return {"routes": [call]} | failure(expected)
    answer = expected["response"]
    case = {"routes": [call | {"answer": answer}]}
    if path == "control/is_scaling_elastic_ep":
        refused = {"status": 404, "body": {"error": answer["message"]}}
        return case | {"exchanges": [exchange("GET", method, "", refused)]}
    if not expected["trace"]:
        return case
    reply = {"body": answer}
    if method.endswith("_profile"):
        reply = {"body": "Start profiling.\n"}
    elif path == "control/scale_elastic_ep":
        sizes = {name: answer[name] for name in ("old_ep_size", "new_ep_size")}
        reply = {"body": {"message": "", **sizes}}
    if path == "control/stop_profile":
        body = {}
    return case | {"exchanges": [exchange("POST", method, body, reply)]}


def flow(given, expected, known):
    """Calls one after another, and where the worker stands after each."""
    known("input", given, "engine_routes_flag", "starts_paused", "calls")
    standing = [PAUSED] if given["starts_paused"] else []
    case = {"away": list(standing), "routes": [], "exchanges": []}
    if given["engine_routes_flag"]:
        case["settings"] = {"engine_routes": given["engine_routes_flag"]}
    custom = dict(word.split("=") for word in given["engine_routes_flag"])
    steps, trace = iter(expected["trace"]), []
    for call in given["calls"]:
        path, body = call["path"].removeprefix("/engine/"), call["body"]
        outcome, listed = None, None
        while outcome is None:
            step = next(steps)
            if isinstance(step, str):
                listed = step == "discovery.register"
            elif "response" in step or "error" in step:
                outcome = step
        if "error" in outcome:
            [error] = outcome["error"].values()
            case |= failure({"error": error})
            case["routes"].append({"path": path, "body": body})
            if error["python_type"] != "TypeError":
                trace += failing(path, body, standing)
        else:
            [answer] = outcome["response"].values()
            case["routes"].append({"path": path, "body": body, "answer": answer})
            trace += succeeding(path, body, answer, standing, custom)
        if listed != (not standing):
            case["notes"] = "1.6.1 is in discovery without memory"
    case["exchanges"] = trace
    return case


def leave(reasons, standing):
    new = [reason for reason in reasons if reason not in standing]
    standing += new
    return [exchange("HOST", "/service/leave", {"reason": reason}, {"body": {}}) for reason in new]


def rejoin(reasons, standing):
    back = [reason for reason in reasons if reason in standing]
    for reason in back:
        standing.remove(reason)
    return [exchange("HOST", "/service/rejoin", {"reason": reason}, {"body": {}}) for reason in back]


def drain(hand_over):
    return [exchange("HOST", "/service/drain", {"hand_over": hand_over}, {"body": {}})]


def before(path, body, standing):
    """What comes before the engine's call, and the reasons it is about."""
    if path == "pause_generation":
        hand_over = body.get("mode", "abort") == "abort"
        return leave([PAUSED], standing) + (drain(True) if hand_over else []), [PAUSED]
    memory = [f"no memory: {tag}" for tag in body.get("tags") or ALL_MEMORY]
    if path == "release_memory_occupation":
        paused = PAUSED in standing
        return leave(memory, standing) + ([] if paused else drain(False)), memory
    return [], [PAUSED] if path == "continue_generation" else memory


def succeeding(path, body, answer, standing, custom):
    if path in custom:
        return [exchange("POST", "/" + custom[path], body, {"body": answer})]
    steps, reasons = before(path, body, standing)
    reply = NOTHING
    if path.endswith("_generation"):
        reply = {"body": {"message": "Generation changed.", "status": "ok"}}
    steps.append(exchange("POST", "/" + path, body, reply))
    if path in ("continue_generation", "resume_memory_occupation"):
        steps += rejoin(reasons, standing)
    return steps


def failing(path, body, standing):
    were = list(standing)
    steps, _ = before(path, body, standing)
    steps.append(exchange("POST", "/" + path, body, {"status": 500, "body": "Internal Server Error"}))
    return steps + rejoin([reason for reason in standing if reason not in were], standing)
