#!/usr/bin/env python3
"""The host in a cluster: NATS for requests and events, etcd for discovery, and both of them failing.

    make test-cluster

Real servers and the real frontend; the engine is llama.cpp. Each line that begins with `ok` is something
that was seen. Leases are short (5 s) for the worker, so that an outage is longer than one; the frontend,
which Dynamo ends with its lease, has a long one.
"""

import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from client import Client, Stream, endless  # noqa: E402
from harness.deployment import Worker  # noqa: E402
from harness.engines import llama  # noqa: E402
from harness.process import free_port, wait_until  # noqa: E402
from servers import Bridge, Cluster, Namespace  # noqa: E402

LEASE = 5
# An outage no lease of the worker's survives.
OUTAGE = 3 * LEASE
TOKENS = 400


def ok(what: str) -> None:
    print(f"ok: {what}", flush=True)


def frontend(cluster: Cluster, *arguments: str, **environment: str) -> str:
    port = free_port()
    cluster.another_frontend(port, *arguments, ETCD_LEASE_TTL="120", **environment)
    return f"http://127.0.0.1:{port}"


class InFlight:
    """A streamed request that goes on while something happens."""

    def __init__(self, client: Client) -> None:
        self.seen: Stream | None = None
        self.started = threading.Event()

        def begun(seen: Stream) -> bool:
            if len(seen.chunks) >= 3:
                self.started.set()
            return False

        def read() -> None:
            body = {"model": client.model, **endless(TOKENS)}
            self.seen = client.stream("/v1/completions", body, leave_when=begun)
            self.started.set()

        self.thread = threading.Thread(target=read)
        self.thread.start()
        assert self.started.wait(120), "the request did not begin"

    def check(self) -> None:
        self.thread.join(300)
        assert self.seen is not None and self.seen.complete, self.seen
        ok(f"the request in flight got all of its {len(self.seen.chunks)} chunks")


def answers(client: Client) -> bool:
    try:
        return client.completion("1, 2,", max_tokens=2).status_code == 200
    except OSError:
        return False


def outage(what: str, cluster: Cluster, worker: Worker, client: Client, down, up) -> None:
    print(f"--- {what}", flush=True)
    before = worker.process.pid
    in_flight = InFlight(client)
    down()
    time.sleep(OUTAGE)
    up()
    in_flight.check()
    wait_until(lambda: answers(client), 90, "an answer after the outage")
    assert worker.process.running and worker.process.pid == before
    ok("the worker answers again, and is the same process")
    worker.engine_process()
    wait_until(lambda: len(cluster.etcd.records("v1/mdc/")) == 1, 60, "one model card in etcd")
    wait_until(lambda: worker.status("/health")[0] == 200, 60, "the worker to be healthy")
    ok("its card is in etcd, once, and it is healthy")


def servers_fail() -> None:
    with Cluster(request_plane="nats", event_plane="nats") as cluster:
        cluster.nats.start()
        cluster.etcd.start()
        url = frontend(cluster)
        lease = {"ETCD_LEASE_TTL": str(LEASE), "ETCD_KEEPALIVE_INTERVAL_SECONDS": "2", "ETCD_KEEPALIVE_TIMEOUT_SECONDS": "2"}
        worker = cluster.start_worker(llama(), environment=lease, name="cluster")
        client = Client(url, "cluster")
        worker.process.await_ready(lambda: answers(client), worker.engine.patience, "an answer")
        [record] = cluster.etcd.records("v1/instances/")
        assert "nats_tcp" in record["transport"], record
        ok(f"a request came over NATS, found in etcd: {record['transport']}")

        etcd, nats = cluster.etcd, cluster.nats

        def killed(server, forget: bool = False):
            def restart() -> None:
                if forget:
                    server.forget()
                server.start()

            return server.kill, restart

        outage("NATS does not answer", cluster, worker, client, nats.pause, nats.resume)
        outage("NATS is killed and started again", cluster, worker, client, *killed(nats))
        first = cluster.etcd.records("v1/instances/")[0]["instance_id"]
        outage("etcd does not answer for longer than a lease", cluster, worker, client, etcd.pause, etcd.resume)
        assert cluster.etcd.records("v1/instances/")[0]["instance_id"] != first
        ok("under another lease")
        outage("etcd is killed and started again", cluster, worker, client, *killed(etcd))


def hosts_apart() -> None:
    print("--- two hosts in networks of their own", flush=True)
    bridge = Bridge()
    namespaces: list[Namespace] = []
    try:
        namespaces = [Namespace(bridge, number) for number in (11, 12)]
        chosen = f"{bridge.prefix}.112"
        namespaces[1].add_address(chosen)
        with Cluster(bridge.address, request_plane="tcp", event_plane="zmq") as cluster:
            cluster.etcd.start()
            # Nothing but the second host's address is said: the rest is found.
            unsaid = ("DYN_TCP_RPC_HOST", "DYN_TCP_RESPONSE_STREAM_HOST", "DYN_EVENT_PLANE_HOST", "NATS_SERVER")
            plain = cluster.environment

            def environment(more: dict[str, str] | None = None) -> dict[str, str]:
                told = plain(None)
                for name in unsaid:
                    told.pop(name, None)
                return {**told, **(more or {})}

            cluster.environment = environment
            url = frontend(cluster, DYN_TCP_RESPONSE_STREAM_HOST=bridge.address)
            start = cluster.start
            workers: list[Worker] = []
            for number, namespace in enumerate(namespaces):
                said = {"DYN_TCP_RPC_HOST": chosen, "DYN_EVENT_PLANE_HOST": chosen} if number else {}
                inside = ["ip", "netns", "exec", namespace.name]
                cluster.start = lambda name, argv, env, inside=inside: start(name, [*inside, *argv], env)
                workers.append(cluster.start_worker(llama(), environment=said, name="apart", endpoint="apart.backend.generate"))
            cluster.start = start

            def addresses() -> set[str]:
                found = [record["transport"]["tcp"] for record in cluster.etcd.records("v1/instances/")]
                return {address.split(":")[0] for address in found}

            wait_until(lambda: len(addresses()) == 2, 180, "both hosts in etcd")
            assert addresses() == {namespaces[0].address, chosen}, addresses()
            ok(f"advertised by default {namespaces[0].address}, as told {chosen}")
            client = Client(url, "apart")
            wait_until(lambda: answers(client), 60, "an answer")
            for _ in range(8):
                assert answers(client)
            # Dynamo's runtime leaves a line for each request.
            assert all("request completed" in worker.process.output() for worker in workers)
            ok("both answer the frontend on the other side of the bridge")
    finally:
        for namespace in namespaces:
            namespace.remove()
        bridge.remove()


def main() -> None:
    servers_fail()
    if os.geteuid() == 0:
        hosts_apart()
    else:
        print("skipped: networks of their own need root")


if __name__ == "__main__":
    main()
