"""A collector of OpenTelemetry's: takes what is exported by OTLP over gRPC, and shows it to tests."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire


@dataclass(frozen=True)
class Span:
    """A span, with its service and its numbers in hexadecimal."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    wire: Wire

    @property
    def failed(self) -> bool:
        return self.wire.status.code == self.wire.status.STATUS_CODE_ERROR


class Collector(traces_grpc.TraceServiceServicer, logs_grpc.LogsServiceServicer):
    """Use as a context: it listens from then on."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._lock = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(4))
        traces_grpc.add_TraceServiceServicer_to_server(self, self._server)
        logs_grpc.add_LogsServiceServicer_to_server(self, self._server)
        self.url = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> "Collector":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(grace=1).wait()

    def environment(self, service: str) -> dict[str, str]:
        """What makes a process of Dynamo's export here, as that service."""
        return {
            "OTEL_EXPORT_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_SERVICE_NAME": service,
            # Batches of a fifth of a second instead of five.
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_BLRP_SCHEDULE_DELAY": "200",
        }

    def trace(self, trace: str) -> list[Span]:
        """The spans of one trace that have come so far."""
        with self._lock:
            return [span for span in self._spans if span.trace == trace]

    def Export(self, request: Any, _: grpc.ServicerContext) -> Any:  # noqa: N802, the services' own name for it
        if isinstance(request, logs.ExportLogsServiceRequest):
            return logs.ExportLogsServiceResponse()
        with self._lock:
            self._spans.extend(_read(request))
        return traces.ExportTraceServiceResponse()


def _read(request: traces.ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    _values(span.attributes),
                    span,
                )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in attributes}
