"""From an author's classes to the contract's exports."""

import json
from collections.abc import Callable
from typing import Any

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import worker as contract
from wit_world.imports import handles, types
from wit_world.imports import prompt as prompts

from . import worker as author
from .calls import Step
from .chunks import Chunks
from .errors import Failed, Kind, failure_of
from .given import EngineReport, Prompt, Request, Start
from .media import Blob

_OVER = contract.Ending(None, True)


class Converter(contract.Converter):
    """The resource `converter`."""

    def __init__(self, converter: author.Converter) -> None:
        self._converter = converter

    def push(self, events: list[bytes]) -> contract.Output:
        def each(chunks: Chunks) -> Any:
            for event in events:
                flow = self._converter.event(event, chunks)
                if flow is not None:
                    return flow
            return None

        return self._output(each)

    def deliver(self, medium: handles.Blob) -> contract.Output:
        return self._output(lambda chunks: self._converter.medium(Blob(medium), chunks))

    def finish(self) -> contract.Output:
        return self._last(self._converter.finish)

    def rejected(self, status: int, body: bytes) -> contract.Output:
        return self._last(lambda chunks: self._converter.rejected(status, body, chunks))

    def _last(self, work: Callable[[Chunks], None]) -> contract.Output:
        """After the end of an answer: whatever the converter thinks, the engine is done."""
        chunks = Chunks()
        try:
            work(chunks)
        except Exception as error:
            return contract.Output(chunks.encoded, chunks.inlays, None, contract.Ending(failure_of(error), True))
        return contract.Output(chunks.encoded, chunks.inlays, None, _OVER)

    def _output(self, work: Callable[[Chunks], Any]) -> contract.Output:
        chunks, step, end = Chunks(), None, None
        try:
            flow = work(chunks)
            if isinstance(flow, Step):
                step = flow.to_contract()
            elif flow is author.DONE:
                end = contract.Ending(None, self._converter.engine_is_done())
        except Exception as error:
            # Chunks sent before it are still delivered.
            end = contract.Ending(failure_of(error), self._converter.engine_is_done())
        return contract.Output(chunks.encoded, chunks.inlays, step, end)


def export(worker: type[author.Worker]) -> type[exports.Worker]:
    """The class the component exports: `Worker = export(MyWorker)`, once, in the plugin's module."""

    class Exported(exports.Worker):
        def describe(self) -> contract.Manifest:
            return worker.describe().to_contract()

        def prepare(self, start: contract.Start) -> contract.Setup | None:
            with _failures():
                setup = worker.prepare(Start.of(start))
                return None if setup is None else setup.to_contract()

        def configure(self, settings: bytes, engine: types.EngineReport) -> contract.Configured:
            with _failures():
                state = worker.configure(json.loads(settings), EngineReport(engine))
                configured = worker(state)
                return contract.Configured(
                    _bytes(state),
                    configured.registration().to_contract(),
                    _bytes(configured.health_check()),
                    [_bytes(request) for request in configured.warm_up()],
                )

        def plan(self, state: bytes, request: types.Request, prompt: prompts.Tokens) -> contract.ResponsePlan:
            with _failures():
                plan = worker(json.loads(state)).plan(Request(request), Prompt(prompt))
                if plan.preface.inlays:
                    raise Failed(Kind.INTERNAL, "a preface cannot hold media")
                step = plan.step()
                return contract.ResponsePlan(
                    plan.preface.encoded,
                    None if step is None else step.to_contract(),
                    Converter(plan.converter),
                )

    return Exported


class _failures:
    """Hands exceptions to the host as failures."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, Exception):
            raise Err(failure_of(error)) from error


def _bytes(document: object) -> bytes:
    return json.dumps(document).encode()
