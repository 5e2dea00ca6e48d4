"""The Python SDK for worker plugins of `dynamo-host`.

A plugin is a class that derives from `Worker`: it says who it is, how its engine is started, how it
stands in Dynamo's discovery, and turns each request into one HTTP call to the engine and the engine's
answer into response chunks. It has no I/O; the host does what it says. The structure is that of the Rust
SDK, name by name. Python costs about a thousand times what Rust costs for each event: write workers for
embeddings, images and videos with it, and decode workers in Rust.

    import dynamo_worker as dynamo

    class PassThrough(dynamo.Worker):
        ...

    Worker = dynamo.export(PassThrough)
"""

from . import log, media, metrics, peers
from ._export import export
from .calls import Call, EngineReply, InlayForm, Step, send_to_engine
from .chunks import Chunks, parse_chunk, parse_event
from .errors import Failed, Kind
from .facts import Contact, Input, Instrument, Isolation, Manifest, Metric, Registration, Setup
from .given import EngineReport, Fresh, Prompt, Request, Start
from .worker import DONE, Converter, Plan, Worker

__all__ = [
    "DONE",
    "Call",
    "Chunks",
    "Contact",
    "Converter",
    "EngineReply",
    "EngineReport",
    "Failed",
    "Fresh",
    "InlayForm",
    "Input",
    "Instrument",
    "Isolation",
    "Kind",
    "Manifest",
    "Metric",
    "Plan",
    "Prompt",
    "Registration",
    "Request",
    "Setup",
    "Start",
    "Step",
    "Worker",
    "export",
    "log",
    "media",
    "metrics",
    "parse_chunk",
    "parse_event",
    "peers",
    "send_to_engine",
]
