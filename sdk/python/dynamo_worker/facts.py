"""What a worker says about itself, as the contract has it, with defaults."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from wit_world.exports import worker as contract
from wit_world.exports.worker import Input, Instrument, Isolation, Metric

__all__ = ["Contact", "Input", "Instrument", "Isolation", "Manifest", "Metric", "Registration", "Setup"]


@dataclass
class Manifest:
    """Who the plugin is. `name` is the name of its file, `worker_type` is for people and metrics."""

    name: str
    version: str
    worker_type: str
    summary: str = ""
    # JSON Schema of the plugin's own settings.
    settings_schema: dict[str, Any] | None = None
    metrics: list[Metric] = field(default_factory=list)
    # Instances are used again, by one request at a time: the interpreter takes milliseconds to start.
    isolation: Isolation = Isolation.WARM

    def to_contract(self) -> contract.Manifest:
        schema = None if self.settings_schema is None else _bytes(self.settings_schema)
        return contract.Manifest(
            self.name, self.version, self.worker_type, self.summary, schema, self.metrics, self.isolation
        )


@dataclass
class Contact:
    """How to meet a running engine: ready once a GET of `ready` answers 2xx."""

    ready: str
    # Paths that answer a GET with JSON, for `EngineReport.answer`.
    reports: list[str] = field(default_factory=list)
    # Small files under the model path, for `EngineReport.file`.
    model_files: list[str] = field(default_factory=list)
    # Numbers in Prometheus' text format, shown among the host's own: the path that answers a GET
    # with them, and what the names of the engine's families begin with.
    metrics: tuple[str, str] | None = None


@dataclass
class Setup:
    """How to start the engine."""

    program: list[str]
    contact: Contact
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def argument(self, flag: str, value: object) -> "Setup":
        """Adds a flag with a value."""
        self.arguments += [flag, str(value)]
        return self

    def flags(self, *flags: str) -> "Setup":
        """Adds flags without a value, or words as they are."""
        self.arguments += flags
        return self

    def to_contract(self) -> contract.Setup:
        met = self.contact
        metrics = met.metrics and contract.Exposition(*met.metrics)
        contact = contract.Contact(met.ready, met.reports, met.model_files, metrics)
        return contract.Setup(self.program, self.arguments, list(self.environment.items()), contact)


@dataclass
class Registration:
    """How the worker stands in discovery: facts of the model card."""

    # `chat`, `completions`, `embedding`, `images`, `videos`, `rerank`, `prefill`.
    model_types: Iterable[str]
    input: Input
    worker_type: str = "aggregated"
    needs: list[list[str]] = field(default_factory=list)
    component: str = "backend"
    # Tokens per block of the engine's KV cache; 0 if it has none.
    kv_cache_block_size: int = 0
    runtime_config: dict[str, Any] = field(default_factory=dict)
    # Requests in the engine at once; None for as many as come.
    concurrency: int | None = None

    def to_contract(self) -> contract.Registration:
        return contract.Registration(
            list(self.model_types),
            self.input,
            self.worker_type,
            self.needs,
            self.component,
            self.kv_cache_block_size,
            _bytes(self.runtime_config),
            self.concurrency,
        )


def _bytes(document: object) -> bytes:
    return json.dumps(document).encode()
