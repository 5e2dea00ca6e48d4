"""Cases of the workers that answer multimodal requests together.

Dynamo's workers hand embeddings to each other and to their engines in memory. A stock SGLang server
takes none, but asks an encoder server for them itself; so ours hand on where the media are.
../cases/MULTIMODAL.md has the mapping, and why a vector is left out.
"""

import copy
import json

WORKERS = {"multimodal_encode", "multimodal_worker", "multimodal_prefill"}
# What the recorded encode worker's tokenizer had.
IMAGE_TOKEN, VIDEO_TOKEN = 42, 43
# Where the media would be whose embeddings the recording had, and what is there.
ADDRESS = "http://media.test"
MEDIA = {
    "image": {"content_type": "image/png", "base64": "aW1hZ2U="},
    "video": {"content_type": "video/mp4", "base64": "dmlkZW8="},
}
# What the recording drew.
ROOM = 4242424242424242
BY_ENGINE = {"transport": "sglang-encoder"}
COUNTED = "the rows of embeddings go from engine to engine, and the language engine counts them"


def is_one(vector):
    return vector["kind"] in ("request", "output", "error") and vector["input"]["worker"].get("type") in WORKERS


def case_of(vector, of):
    """The case that means the same as `vector`; `of` is import.py."""
    given, expected = vector["input"], vector["expected"]
    of.known("input", given, "worker", "context", "request", "engine_chunks", "encoder_results",
             "pd_responses", "received_embeddings", "prefill_responses", "client_stops_after")
    of.known("expected", expected, "engine_calls", "chunks", "error", "engine_aborts",
             "encode_calls", "embedding_transfers", "downstream_requests", "prefill_requests",
             # Memory of a Python process.
             "released_tensors")
    case = {
        "format": 1,
        "name": vector["name"],
        "source": "dynamo.sglang 1.6.1, " + vector["source"],
        "strict_null": ["max_new_tokens"],
    }
    if given["worker"]["type"] == "multimodal_encode":
        case |= encode(vector, of)
    else:
        case |= generate(vector, of)
    case["context"] = of.context(given)
    if "error" in expected:
        dynamo = expected["error"]["dynamo"]
        case["error"] = {"class": dynamo["class"], "public": dynamo["message_is_public"]}
    if "engine_aborts" in expected:
        case["aborts"] = [of.abort(one) for one in expected["engine_aborts"]]
    return case


def encode(vector, of):
    """The encode worker: media to encoder calls, and what the worker behind it is asked."""
    given, expected = vector["input"], vector["expected"]
    worker = given["worker"]
    of.known("worker", worker, "type", "frontend_decoding", "image_token_id", "video_token_id",
             "max_input_token_id")
    config = {
        "image_token_id": worker.get("image_token_id", IMAGE_TOKEN),
        "video_token_id": worker.get("video_token_id", VIDEO_TOKEN),
        "vocab_size": worker.get("max_input_token_id", of.MODEL_CONFIG["vocab_size"] - 1) + 1,
    }
    case = {
        "settings": {"frontend_decoding": True} if worker.get("frontend_decoding") else {},
        "engine": {"model_path": of.MODEL_PATH, "served_name": of.SERVED_NAME,
                   "files": {"config.json": config}},
        "request": given["request"],
    }
    calls = expected.get("encode_calls", [])
    if of.unsendable(calls):
        raise of.LeftOut("media decoded by the frontend cannot be sent to SGLang over HTTP")
    items = {one["modality"].lower(): one["inputs"] for one in calls}
    places = {kind: (given["request"].get("token_ids") or []).count(config[f"{kind}_token_id"])
              for kind in items}
    if any(places[kind] > len(items[kind]) for kind in items):
        raise of.LeftOut("the language engine does not take a token for an image there is not")
    if "error" in expected and all(places[kind] == len(items[kind]) for kind in items) and items:
        raise of.LeftOut("what the encoder makes of media goes to the language engine, which checks it")
    if "error" not in expected:
        call = {"method": "PEER", "path": "dynamo.backend.generate"}
        if "downstream_requests" in expected:
            [downstream] = expected["downstream_requests"]
            call["body"] = of.comparable(asked(downstream, given["request"], items))
        frames = [as_text(frame) for frame in given.get("pd_responses", [])]
        case["exchanges"] = [{"call": call, "reply": {"framing": "ndjson", "events": frames}}]
    if "chunks" in expected:
        case["chunks"] = expected["chunks"]
    return case


def asked(downstream, request, items):
    """A request to the worker, with the prompt as it came and the media where they are."""
    downstream = copy.deepcopy(downstream)
    downstream["request"]["token_ids"] = request["token_ids"]
    downstream["multimodal_inputs"] = [
        {"multimodal_input": {f"{kind}_url": url}} for kind in ("image", "video") for url in items.get(kind, [])
    ]
    downstream["embeddings_shape"] = None
    downstream["transfer_payload"] = BY_ENGINE
    return downstream


def as_text(frame):
    """An event that is a frame: JSON as text, in JSON."""
    return json.dumps(frame if isinstance(frame, str) else json.dumps(unpacked(frame)))


def unpacked(value):
    return value["$json_text"] if isinstance(value, dict) and "$json_text" in value else value


def generate(vector, of):
    """The workers with a language engine."""
    given, expected = vector["input"], vector["expected"]
    media = Media()
    request = copy.deepcopy(given["request"])
    inner = request.get("request", {}) if given["worker"]["type"] == "multimodal_prefill" else request
    media.take(inner, of)
    chunks = expected.get("chunks")
    raised = any("$raise" in chunk for chunk in given.get("engine_chunks") or [])
    failed = (chunks is not None and len(chunks) == 1
              and unpacked(chunks[0]).get("finish_reason") == "error")
    if failed and not raised and media.fetches and inner.get("transfer_payload"):
        raise of.LeftOut(COUNTED)
    if given["worker"]["type"] == "multimodal_prefill" and raised and failed:
        # When the engine knows a request cannot be seen from outside. So ours says where to meet
        # before it calls the engine, and then that it failed.
        chunks = [{"$json_text": meeting_place(of)}, *chunks]
    case = of.worker(given["worker"])
    case["request"] = request
    if chunks is not None:
        case["chunks"] = [frame(chunk, raised) for chunk in chunks]
    refused = vector["kind"] == "error" and not chunks
    case["exchanges"] = []
    if not refused:
        if "prefill_responses" in given:
            case["exchanges"].append(prefill(vector, media, of))
        if raised or not failed:
            case["exchanges"] += media.fetches + engine(vector, media, of)
    return case


def meeting_place(of):
    port = of.PREFILL_SERVER["disaggregation_bootstrap_port"]
    return {"bootstrap_host": of.ADDRESS, "bootstrap_port": port, "bootstrap_room": ROOM}


class Media:
    """The media of a request whose embeddings the recording had."""

    def __init__(self):
        self.fetches = []
        self.urls = {"image": [], "video": []}

    def take(self, request, of):
        """Puts addresses into the groups, where grids and counts of tokens were."""
        for group in request.get("multimodal_inputs") or []:
            for kind, urls in self.urls.items():
                if group.get(f"{kind}_grid_thw") is None:
                    continue
                url = f"{ADDRESS}/{kind}/{len(urls)}"
                for member in ("image_grid_thw", "video_grid_thw", "num_mm_tokens",
                               "second_per_grid_ts", "video_timestamps"):
                    group.pop(member, None)
                group["multimodal_input"] = {f"{kind}_url": url}
                there = MEDIA[kind]
                urls.append(f"data:{there['content_type']};base64,{there['base64']}")
                asked = {"$subset": {"url": url, "accept": [f"{kind}/"]}}
                self.fetches.append({
                    "call": {"method": "HOST", "path": "/media/fetch", "body": asked},
                    "reply": {"body": there},
                })
        if request.get("transfer_payload") is not None:
            request["transfer_payload"] = BY_ENGINE


def frame(chunk, raised):
    """What a worker says. How a failure is worded is ours, unless it is the engine's word."""
    said = dict(unpacked(chunk))
    if "error" in said and not raised:
        said["error"] = {"$any": "string"}
    return {"$json_text": said}


def prefill(vector, media, of):
    """The request to the prefill worker."""
    call = {"method": "PEER", "path": "dynamo.prefill.generate"}
    if "prefill_requests" in vector["expected"]:
        [asked] = vector["expected"]["prefill_requests"]
        asked = copy.deepcopy(asked)
        Media().take(asked["request"], of)
        call["body"] = of.comparable(asked)
    responses = [
        response if isinstance(response, dict) and "$json_text" not in response else as_text(response)
        for response in vector["input"]["prefill_responses"]
    ]
    return {"call": call, "reply": {"framing": "ndjson", "events": responses}}


def engine(vector, media, of):
    """The call of the language engine, which gets the media themselves."""
    vector = copy.deepcopy(vector)
    for one in vector["expected"].get("engine_calls") or []:
        members = one["kwargs"]
        if members.get("rid") is None:
            # Left to the engine where nobody traces.
            members["rid"] = "<rid>"
        for kind, urls in media.urls.items():
            if f"{kind}_data" in members:
                members[f"{kind}_data"] = urls
    return of.exchanges(vector)
