"""Chat, handed through to a llama.cpp server. Change what it does in `plan` and `event`."""

import dynamo_worker as dynamo
from dynamo_worker import Call, Chunks, Contact, Failed, Input, Manifest, Plan, Registration, Setup


class MyWorker(dynamo.Worker):
    @classmethod
    def describe(cls) -> Manifest:
        return Manifest(
            name="my_worker",
            version="0.1.0",
            worker_type="aggregated",
            summary="chat, by a llama.cpp server",
            settings_schema={"type": "object", "properties": {"greeting": {"type": "string"}}},
        )

    @classmethod
    def prepare(cls, start: dynamo.Start) -> Setup:
        setup = Setup(["llama-server"], Contact("/health"), arguments=list(start.arguments))
        if start.model_path is not None:
            setup.argument("--model", start.model_path)
        return setup.argument("--host", start.host).argument("--port", start.port)

    @classmethod
    def configure(cls, settings: dict, engine: dynamo.EngineReport) -> dict:
        # Put before every conversation, if the operator wants it (`--plugin-setting greeting=...`).
        return {"greeting": settings.get("greeting")}

    def registration(self) -> Registration:
        return Registration(["chat"], Input.TEXT)

    def health_check(self) -> dict:
        return {"messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}

    def plan(self, request: dynamo.Request, prompt: dynamo.Prompt) -> Plan:
        body = request.parse()
        if not isinstance(body.get("messages"), list):
            raise Failed.invalid_request("messages: a list is wanted")
        if self.state["greeting"]:
            body["messages"].insert(0, {"role": "system", "content": self.state["greeting"]})
        # llama.cpp takes an explicit null for a value of the wrong type.
        body = {name: value for name, value in body.items() if value is not None}
        body["stream"] = True
        return Plan(Call.post("/v1/chat/completions", body).sse(), Relay())


class Relay(dynamo.Converter):
    """Hands the engine's chunks on."""

    def event(self, event: bytes, chunks: Chunks) -> None:
        if event != b"[DONE]":
            chunks.send(dynamo.parse_event(event))


Worker = dynamo.export(MyWorker)
