"""Requests for images and videos.

Dynamo's workers call a generator in their process; ours talk to SGLang's diffusion server. A call is one
exchange for an image, several for a video (a job is submitted, asked after, fetched and forgotten), and
what is stored or fetched on the way is asked of the host.
"""

import base64

WORKERS = {"image_diffusion", "video_generation"}

# The uuid4 that the recording drew, and ours, made of what a case draws.
RECORDED_UUID = "00000000-0000-4000-8000-000000000000"
OUR_UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"

# What the engine made where the vector does not say.
SOME_IMAGE = base64.b64encode(b"PNG").decode()
SOME_VIDEO = base64.b64encode(b"MP4").decode()
JOB = "job-1"


def is_one(vector):
    worker = vector["input"].get("worker")
    return isinstance(worker, dict) and worker.get("type") in WORKERS


def case_of(vector, LeftOut, known):
    given, expected = vector["input"], vector["expected"]
    known("input", given, "worker", "context", "request", "generator_result")
    known("expected", expected, "engine_calls", "chunks", "error")
    known("worker", given["worker"], "type", "dynamo_args")
    known("context", given["context"], "id", "trace_id")
    kind = Image if given["worker"]["type"] == "image_diffusion" else Video
    made = kind(given, expected, known)
    case = {
        "format": 1,
        "name": vector["name"],
        "source": "dynamo.sglang 1.6.1, " + vector["source"],
    }
    if "notes" in vector:
        case["notes"] = vector["notes"]
    case |= {
        "settings": given["worker"].get("dynamo_args") or {},
        "engine": {"model_path": "/models/test-model", "served_name": "test-model"},
        "request": given["request"],
        "context": {"id": given["context"]["id"]},
        "exchanges": made.exchanges(),
    }
    if "chunks" in expected:
        case["chunks"] = [made.chunk(chunk) for chunk in expected["chunks"]]
    if "error" in expected:
        dynamo = expected["error"]["dynamo"]
        case["error"] = {"class": dynamo["class"], "public": dynamo["message_is_public"]}
    return case


class Media:
    """What images and videos share."""

    def __init__(self, given, expected, known):
        self.request, self.expected = given["request"], expected
        self.known = known
        self.result = given.get("generator_result", {})
        arguments = given["worker"].get("dynamo_args") or {}
        public = arguments.get("media_output_http_url")
        protocol, _, root = arguments.get("media_output_fs_url", "").partition("://")
        self.base = public.rstrip("/") if public else f"{protocol}:///{root}"
        [self.recorded] = expected.get("chunks") or [{}]

    @property
    def raised(self):
        """What the generator raised instead of making something."""
        return self.result.get("$raise") if isinstance(self.result, dict) else None

    def frames(self):
        """What the generator made of the first thing it was asked for."""
        result = self.result[0] if isinstance(self.result, list) else self.result
        return (result or {}).get("frames", ...)

    def call(self, path, body):
        """The call that means the same as the recorded one; none if no call was recorded."""
        calls = self.expected.get("engine_calls")
        if calls is None:
            return {"method": "POST", "path": path}
        [of] = calls
        self.known("an engine call", of, "method", "kwargs")
        self.known("its arguments", of["kwargs"], "sampling_params_kwargs")
        members = dict(of["kwargs"]["sampling_params_kwargs"])
        # It is what a server does for itself.
        members.pop("save_output", None)
        size = f"{members.pop('width')}x{members.pop('height')}"
        return {"method": "POST", "path": path, "body": body(members, size)}

    def stored(self, content):
        """What the host is asked to store, if the client gets a URL."""
        data = (self.recorded.get("data") or [{}])[0]
        by_url = self.request.get("response_format", "url") == "url"
        if not by_url:
            return []
        url = data.get("url") or f"{self.base}/somewhere"
        name = self.ours(url)[len(self.base) + 1:] if data.get("url") else {"$any": "string"}
        body = {"name": name, "content_type": {"$any": "string"}, "base64": content}
        return [{"call": {"method": "HOST", "path": "/media/store", "body": body},
                 "reply": {"body": self.ours(url)}}]

    def fetched(self):
        """What the host is asked to fetch."""
        url = self.request.get("input_reference")
        if not isinstance(url, str) or not url.strip() or url.startswith("data:"):
            return []
        refused = "error" in self.expected
        reply = ({"status": 400, "body": "not allowed"} if refused else
                 {"body": {"content_type": "image/png", "base64": PNG_HEADER}})
        call = {"method": "HOST", "path": "/media/fetch", "body": {"$subset": {"url": url}}}
        return [{"call": call, "reply": reply}]

    @staticmethod
    def ours(text):
        return text.replace(RECORDED_UUID, OUR_UUID)

    @staticmethod
    def sent(members, in_form):
        """Without nulls; as a form has it, if it is one."""
        members = {name: member for name, member in members.items() if member is not None}
        return {"form": {name: text(member) for name, member in members.items()}} if in_form else members


# What a decoder takes for the beginning of an image.
PNG_HEADER = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d49484452")).decode()


def text(value):
    return value if isinstance(value, (str, dict)) else str(value)


class Image(Media):
    def exchanges(self):
        fetched = self.fetched()
        failed_before = "error" in self.expected and self.raised is None and self.result is not None
        if failed_before:
            return fetched
        path = "/v1/images/edits" if fetched else "/v1/images/generations"
        call = self.call(path, lambda members, size: self.body(members, size, bool(fetched)))
        if "error" in self.expected:
            # The generator failed. SGLang's server says no more than that.
            return [*fetched, {"call": call, "reply": {"status": 500, "body": "Internal Server Error"}}]
        frames = self.frames()
        data = (self.recorded.get("data") or [{}])[0]
        content = data.get("b64_json") or SOME_IMAGE
        if isinstance(frames, list) and frames and isinstance(frames[0], dict):
            content = frames[0].get("$bytes_b64", content)
        images = [] if not frames else [{"b64_json": content, "url": None}]
        reply = {"body": {"id": "image-1", "created": 1700000000, "data": images}}
        return [*fetched, {"call": call, "reply": reply}, *(self.stored(content) if images else [])]

    def body(self, members, size, in_form):
        members = {**members, "size": size, "response_format": "b64_json", "output_format": "png"}
        if in_form:
            members.pop("image_path")
            members["image"] = {"content_type": "image/png", "base64": PNG_HEADER}
        return self.sent(members, in_form)

    def chunk(self, chunk):
        data = [{name: self.ours(member) if name == "url" and member else member
                 for name, member in item.items()} for item in chunk["data"]]
        return {**chunk, "data": data}


class Video(Media):
    def exchanges(self):
        failed = self.recorded.get("status") == "failed"
        if failed and self.raised is None and self.frames() not in ([], None):
            return []
        fetched = self.fetched()
        call = self.call("/v1/videos", lambda members, size: self.body(members, size, bool(fetched)))
        job = {"id": JOB, "object": "video", "status": "queued", "progress": 0, "error": None}
        submit = [*fetched, {"call": call, "reply": {"body": job}}]
        forget = {"call": {"method": "DELETE", "path": f"/v1/videos/{JOB}"},
                  "reply": {"body": {**job, "status": "deleted"}}}
        ask = {"method": "GET", "path": f"/v1/videos/{JOB}"}
        if failed:
            error = {"message": self.raised or "there are no frames"}
            return [*submit, {"call": ask, "reply": {"body": {**job, "status": "failed", "error": error}}}, forget]
        data = (self.recorded.get("data") or [{}])[0]
        content = data.get("b64_json") or SOME_VIDEO
        took = self.recorded.get("inference_time_s", 0.0)
        done = {**job, "status": "completed", "progress": 100, "inference_time_s": took}
        return [
            *submit,
            {"call": ask, "reply": {"body": {**job, "status": "in_progress", "progress": 50}}},
            {"call": ask, "reply": {"body": done}},
            {"call": {"method": "GET", "path": f"/v1/videos/{JOB}/content"},
             "reply": {"medium": {"content_type": "video/mp4", "base64": content}}},
            *self.stored(content),
            forget,
        ]

    def body(self, members, size, in_form):
        members = {**members, "size": size}
        if in_form:
            members.pop("image_path")
            members["input_reference"] = {"content_type": "image/png", "base64": PNG_HEADER}
        return self.sent(members, in_form)

    @staticmethod
    def chunk(chunk):
        # The wording is ours.
        return {**chunk, "error": {"$any": "string"}} if chunk["error"] is not None else chunk
