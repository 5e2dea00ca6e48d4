"""Cases from vectors of kind `cancellation`: a client leaves, and the engine is told.

The recording interleaved steps of client and engine. A case has a client that leaves once it has so
many chunks: where it leaves in the middle of an answer, the two are the same. The rest is timing that
an engine behind HTTP does not show, or is said in the cases and tests that `LEFT_OUT` names.
"""

LEFT_OUT = [
    (lambda steps, worker: "host.shutdown" in steps,
     "the host's: tests of host/src/handler.rs and shutdown.rs"),
    (lambda steps, worker: (worker.get("server_args") or {}).keys() & {"enable_dp_attention", "pp_size"},
     "the closed connection aborts the request on every rank; one call more is enough"),
    (lambda steps, worker: "engine.chunk" not in steps,
     "what the engine's process registers and dispatches is not seen over HTTP; the client leaves "
     "before the first chunk in by_hand/client_leaves_before_the_first_chunk"),
    (lambda steps, worker: steps.index("client.stop" if "client.stop" in steps else "consumer.close")
     < steps.index("engine.chunk"),
     "the host knows the request's id at the engine from the start and waits for no chunk"),
]


def case_of(vector, importer):
    """The case that means the same as `vector`."""
    given = vector["input"]
    importer.known("input", given, "worker", "request", "steps", "engine_stream_ends_when_aborted")
    importer.known("expected", vector["expected"], "trace")
    steps = [step if isinstance(step, str) else next(iter(step)) for step in given["steps"]]
    for is_so, why in LEFT_OUT:
        if is_so(steps, given["worker"]):
            raise importer.LeftOut(why)
    chunks = [step["engine.chunk"] for step in given["steps"] if "engine.chunk" in step]
    trace = [step for step in vector["expected"]["trace"] if "step" not in step]
    outputs = [step["output"] for step in trace if "output" in step]
    worker = {"serving_mode": "agg", **given["worker"]}
    # What a Python object can do; ours has its own ids at the engine either way.
    worker.pop("engine", None)
    return importer.case_of({
        **vector,
        "kind": "output",
        "input": {
            "worker": worker,
            "context": {"id": "ctx-1"},
            "request": given["request"],
            "engine_chunks": chunks,
            "client_stops_after": len(outputs),
        },
        "expected": {
            "chunks": outputs,
            # The request as a whole: choices that have finished have nothing to abort.
            "engine_aborts": [{"rid": "<rid>", "abort_all": False}],
        },
    })
