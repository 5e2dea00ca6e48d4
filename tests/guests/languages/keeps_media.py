"""Does with media all that a plugin can, asks another worker and its engine. keeps_media.js is the same."""

import base64

import dynamo_worker as dynamo
from dynamo_worker import Call, Chunks, Contact, Input, InlayForm, Manifest, Plan, Registration, Setup, Step
from dynamo_worker import log, media, metrics, peers

LIMITS = media.Limits(max_bytes=1 << 20, timeout_ms=5000, accept=["image/"])
SIZES = metrics.histogram("medium_bytes", "Sizes of media.", ["type"], [16, 1024])


class KeepsMedia(dynamo.Worker):
    @classmethod
    def describe(cls) -> Manifest:
        return Manifest("keeps_media", "0.1.0", "test", metrics=[SIZES])

    @classmethod
    def prepare(cls, start: dynamo.Start) -> Setup:
        return Setup(["no-such-engine"], Contact("/health"))

    def registration(self) -> Registration:
        return Registration([], Input.TEXT)

    def health_check(self) -> dict:
        return {"get": "/health"}

    def plan(self, request: dynamo.Request, prompt: dynamo.Prompt) -> Plan:
        body = request.parse()
        match body:
            case {"relay": endpoint}:
                return Plan(Step(peers.open(endpoint, {"n": 2})), Relay())
            case {"collect": endpoint}:
                answer = Chunks()
                answer.send({"all": peers.open(endpoint, {"n": 2}).collect()})
                return Plan(None, Relay(), answer)
            case {"status": path}:
                reply = dynamo.send_to_engine(Call.get(path))
                answer = Chunks()
                answer.send({"status": reply.status, "body": reply.body.decode()})
                return Plan(None, Relay(), answer)
            case {"get": path}:
                return Plan(Call.get(path).medium(), Keep(body.get("hand_out", True)))
        call = Call.post("/generate", {"image": None}).lift("b64_json")
        image = media.fetch(body["image"], LIMITS)
        if body.get("form"):
            return Plan(call.form().inlay("/image", image, InlayForm.BASE64), Keep())
        return Plan(call.inlay("/image", image, InlayForm.DATA_URL), Keep())


class Keep(dynamo.Converter):
    """Stores each medium and hands it out, or leaves it to the end of the response."""

    def __init__(self, hand_out: bool = True) -> None:
        self.hand_out = hand_out
        self.seen = 0

    def medium(self, medium: media.Blob, chunks: Chunks) -> None:
        kind, size = medium.content_type(), medium.size()
        log.info("a medium of %d bytes, %s", size, kind)
        metrics.record(0, size, [kind])
        begin = base64.b64encode(medium.read(0, 4)).decode()
        url = medium.store(f"made/{self.seen}")
        self.seen += 1
        chunks.send({"url": url, "size": size, "type": kind, "begin": begin})
        if self.hand_out:
            chunks.send_with({"b64_json": None}, "/b64_json", medium)

    def event(self, event: bytes, chunks: Chunks) -> None:
        chunks.send(dynamo.parse_event(event))


class Relay(dynamo.Converter):
    """Hands another worker's chunks on."""

    def event(self, event: bytes, chunks: Chunks) -> None:
        chunks.send_encoded(event)


Worker = dynamo.export(KeepsMedia)
