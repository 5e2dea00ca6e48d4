"""Labels with probabilities, by one token of a model that generates.

Asked like any chat model; the last message is what is classified. The answer is one chunk whose text is
JSON: the label, and the probability of each. One short engine call a request, so that what Python costs is
no matter.
"""

import json
import math
import string

import dynamo_worker as dynamo
from dynamo_worker import Call, Chunks, Contact, Failed, Input, Kind, Manifest, Plan, Registration, Setup

# In ChatML, which most small instruction models know.
PROMPT = "<|im_start|>user\n{text}\n\n{question}\n{labels}\n{how}<|im_end|>\n<|im_start|>assistant\n"
QUESTION = "Which of these fits best?"
HOW = "Answer with one letter."
# Alternatives to look for the letters among.
ALTERNATIVES = 50


class Classifier(dynamo.Worker):
    @classmethod
    def describe(cls) -> Manifest:
        labels = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 26}
        return Manifest(
            name="classifier",
            version="0.1.0",
            worker_type="classifier",
            summary="zero-shot classification by a generating model on llama.cpp",
            settings_schema={"type": "object", "properties": {"labels": labels}, "required": ["labels"]},
        )

    @classmethod
    def prepare(cls, start: dynamo.Start) -> Setup:
        setup = Setup(["llama-server"], Contact("/health"), arguments=list(start.arguments))
        if start.model_path is not None:
            setup.argument("--model", start.model_path)
        return setup.argument("--host", start.host).argument("--port", start.port)

    @classmethod
    def configure(cls, settings: dict, engine: dynamo.EngineReport) -> dict:
        labels = settings.get("labels")
        if not isinstance(labels, list) or not 2 <= len(labels) <= 26:
            raise Failed.invalid_request('labels: 2 to 26 are wanted (--plugin-setting labels=["a","b"])')
        return {"labels": labels, "model": engine.served_name}

    def registration(self) -> Registration:
        return Registration(["chat"], Input.TEXT, component="classifier")

    def health_check(self) -> dict:
        return {"messages": [{"role": "user", "content": "ping"}]}

    def plan(self, request: dynamo.Request, prompt: dynamo.Prompt) -> Plan:
        messages = request.parse().get("messages")
        text = messages[-1].get("content") if isinstance(messages, list) and messages else None
        if not isinstance(text, str):
            raise Failed.invalid_request("messages: the last one must have a text")
        labels = self.state["labels"]
        lines = "\n".join(f"{letter}. {label}" for letter, label in zip(string.ascii_uppercase, labels))
        asked = PROMPT.format(text=text, question=QUESTION, labels=lines, how=HOW)
        call = Call.post(
            "/completion",
            {"prompt": asked, "n_predict": 1, "n_probs": ALTERNATIVES, "temperature": 0},
        )
        head = {
            "id": f"chatcmpl-{request.fresh.request_id}",
            "object": "chat.completion.chunk",
            "created": request.fresh.unix_millis // 1000,
            "model": self.state["model"],
        }
        return Plan(call, Verdict(labels, head))


class Verdict(dynamo.Converter):
    """Makes probabilities of labels of those of letters."""

    def __init__(self, labels: list[str], head: dict) -> None:
        self.labels = labels
        self.head = head

    def event(self, event: bytes, chunks: Chunks) -> None:
        answer = dynamo.parse_event(event)
        letters = dict.fromkeys(string.ascii_uppercase[: len(self.labels)], 0.0)
        for alternative in answer["completion_probabilities"][0]["top_logprobs"]:
            letter = alternative["token"].strip()
            if letter in letters:
                letters[letter] += math.exp(alternative["logprob"])
        total = sum(letters.values())
        if total == 0.0:
            raise Failed(Kind.BACKEND_PROTOCOL, "the model thinks of none of the letters it was offered")
        probabilities = {label: share / total for label, share in zip(self.labels, letters.values())}
        label = max(probabilities, key=probabilities.get)
        text = json.dumps({"label": label, "probabilities": probabilities})
        delta = {"role": "assistant", "content": text}
        chunks.send({**self.head, "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]})


Worker = dynamo.export(Classifier)
