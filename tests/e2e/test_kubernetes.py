"""The manifests of examples/kubernetes and the Dockerfile: against Kubernetes' schemas, against what this
`dynamo-host` takes, and against each other. No cluster is there to apply them to."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import CANARY
from harness.deployment import HOST_BINARY, PLUGINS
from harness.engines import REPOSITORY, installed
from harness.process import Process, wait_until

pytestmark = pytest.mark.no_engine

FOLDER = REPOSITORY / "examples" / "kubernetes"
README = (FOLDER / "README.md").read_text()
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
FILES = sorted(FOLDER.glob("*.yaml"))
# Its kind is the Prometheus operator's, and not among Kubernetes' schemas.
MONITORING = FOLDER / "monitoring.yaml"
# The first Kubernetes with sidecars, and the last one there is a schema of.
VERSIONS = ["1.29", "1.37"]
# The most a ConfigMap holds.
CONFIG_MAP = 1 << 20
# The notice of leaving, and ten seconds each for handing over what outlives the drain and for closing the
# endpoint: `host/src/shutdown.rs`.
FIXED = 21


@dataclass
class Host:
    """A container whose program is `dynamo-host`."""

    name: str
    pod: dict
    container: dict

    @property
    def words(self) -> list[str]:
        return [*self.container.get("command", [])[1:], *self.container["args"]]

    @property
    def variables(self) -> dict[str, str]:
        sources = [source["configMapRef"]["name"] for source in self.container.get("envFrom", [])]
        shared = {name: value for source in sources for name, value in named("ConfigMap", source)["data"].items()}
        return shared | {variable["name"]: variable["value"] for variable in self.container["env"]}

    @property
    def system_port(self) -> int:
        return int(self.variables["DYN_SYSTEM_PORT"])

    def mounts(self) -> Iterator[tuple[dict, dict]]:
        volumes = {volume["name"]: volume for volume in self.pod["volumes"]}
        for mount in self.container["volumeMounts"]:
            yield mount, volumes[mount["name"]]


def documents() -> Iterator[dict]:
    for file in FILES:
        yield from yaml.safe_load_all(file.read_text())


def named(kind: str, name: str) -> dict:
    [found] = [d for d in documents() if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def of_kind(*kinds: str) -> list[dict]:
    return [document for document in documents() if document["kind"] in kinds]


def is_host(container: dict) -> bool:
    if "command" in container:
        return Path(container["command"][0]).name == "dynamo-host"
    return container["image"].startswith("dynamo-host:")


def hosts() -> list[Host]:
    return [
        Host(deployment["metadata"]["name"], deployment["spec"]["template"]["spec"], container)
        for deployment in of_kind("Deployment")
        for container in deployment["spec"]["template"]["spec"]["containers"]
        if is_host(container)
    ]


HOSTS = hosts()
each_host = pytest.mark.parametrize("host", HOSTS, ids=[host.name for host in HOSTS])


def configuration(host: Host, folder: Path) -> dict:
    """What the real program makes of a container's flags and variables. It writes that down before it
    looks for anything."""
    dump = folder / "configuration.json"
    words = [str(HOST_BINARY), "--dump-config-to", str(dump), *host.words]
    # Of what it looks for then, nothing is to be found.
    nowhere = {"NATS_SERVER": "nats://127.0.0.1:9", "ETCD_ENDPOINTS": "http://127.0.0.1:9"}
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **host.variables, **nowhere}
    process = Process("dynamo-host", words, env, folder / "host.log")
    try:
        wait_until(lambda: written(dump) or not process.running, 60, "a configuration")
        found = written(dump)
        assert found, process.output()
        return found
    finally:
        process.stop(30)


def written(dump: Path) -> dict | None:
    try:
        return json.loads(dump.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def tool(name: str, *words: object) -> str:
    """Runs one of the checkers; what it says when it finds nothing."""
    program = installed("venv.sh", "manifests") / "bin" / name
    done = subprocess.run([program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_both_ways_are_there() -> None:
    assert {bool(sidecars(host)) for host in HOSTS} == {True, False}


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_manifests(version: str) -> None:
    files = [file for file in FILES if file != MONITORING]
    said = tool("kubernetes-validate", "--strict", "-k", version, *files)
    # It only warns of a kind it does not know.
    assert "WARN" not in said, said
    assert said.count("INFO") == sum(len(list(yaml.safe_load_all(file.read_text()))) for file in files), said


@each_host
def test_the_host_takes_its_flags(host: Host, tmp_path: Path) -> None:
    # A flag the host does not know would go to the engine: here the engine's stand after `--`.
    words = host.words
    engine = words[words.index("--") + 1 :] if "--" in words else []
    assert configuration(host, tmp_path)["engine_arguments"] == engine


@each_host
def test_the_host_knows_its_variables(host: Host) -> None:
    program = HOST_BINARY.read_bytes()
    # Those of the canary are put together of parts; that they work, other tests show.
    unknown = [name for name in host.variables if name not in CANARY and name.encode() not in program]
    assert unknown == []


@each_host
def test_probes_ask_the_system_server(host: Host) -> None:
    ports = {port["name"]: port["containerPort"] for port in host.container["ports"]}
    asked = {}
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        probe = host.container[kind]["httpGet"]
        asked[kind] = probe["path"]
        assert ports[probe["port"]] == host.system_port, kind
    assert asked == {"startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/health"}


@each_host
def test_a_host_has_the_time_to_leave(host: Host, tmp_path: Path) -> None:
    flags = configuration(host, tmp_path)["flags"]
    seconds = [float(flags[name]["value"]) for name in ("grace_period", "drain_timeout", "engine_stop_timeout")]
    # A sidecar's engine is stopped by Kubernetes, out of the same time.
    assert host.pod["terminationGracePeriodSeconds"] >= sum(seconds) + FIXED
    said = re.search(r"^\| sum .*\| (\d+) \|$", README, re.M)
    assert said and int(said[1]) == host.pod["terminationGracePeriodSeconds"]


def sidecars(host: Host) -> list[dict]:
    return [c for c in host.pod.get("initContainers", []) if c.get("restartPolicy") == "Always"]


def words_of(container: dict) -> dict[str, str]:
    words = [word.partition("=") for word in container["args"]]
    return {name: value for name, _, value in words}


@each_host
def test_an_engine_of_its_own_container_outlives_the_host(host: Host) -> None:
    url = words_of(host.container).get("--engine-url")
    if url is None:
        assert not sidecars(host)
        return
    # A sidecar is started before the pod's containers, and stopped after them.
    [engine] = sidecars(host)
    flags = words_of(engine)
    assert url == f"http://{flags['--host']}:{flags['--port']}"
    assert flags["--model-path"] == words_of(host.container)["--model-path"]
    assert "startupProbe" in engine


@each_host
def test_a_rolling_update_needs_the_new_worker_first(host: Host) -> None:
    rolling = named("Deployment", host.name)["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxUnavailable": 0, "maxSurge": 1}


def test_one_endpoint_serves_one_model() -> None:
    endpoints = [words_of(host.container)["--endpoint"] for host in HOSTS]
    assert len(set(endpoints)) == len(endpoints)


def test_the_readme_says_which_plugins_fit_into_a_config_map() -> None:
    fit, large = (
        re.findall(r"`(\w+)`", re.search(rf"^\| {title} \|(.*)\|$", README, re.M)[1])
        for title in ("fits", "too large")
    )
    names = [manifest.parent.name for manifest in REPOSITORY.glob("plugins/*/Cargo.toml")]
    small = {name for name in names if (PLUGINS / f"{name}.wasm").stat().st_size <= CONFIG_MAP}
    assert set(fit) == small
    assert set(large) == set(names) - small


@each_host
def test_a_plugin_comes_by_a_way_that_can_be_followed(host: Host) -> None:
    plugin = words_of(host.container)["--plugin"]
    if plugin.startswith("nats://"):
        assert f" {plugin}" in README
        return
    [(mount, volume)] = [(m, v) for m, v in host.mounts() if Path(m["mountPath"]) == Path(plugin).parent]
    assert "subPath" not in mount
    assert (PLUGINS / Path(plugin).name).stat().st_size <= CONFIG_MAP
    command = f"kubectl create configmap {volume['configMap']['name']} --from-file={Path(plugin).name}="
    assert command in README


def test_prometheus_finds_every_program_of_dynamos() -> None:
    [monitor] = of_kind("PodMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    asked = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
    found = {}
    for deployment in of_kind("Deployment"):
        template = deployment["spec"]["template"]
        if wanted <= template["metadata"]["labels"].items():
            ports = {port["name"] for c in template["spec"]["containers"] for port in c.get("ports", [])}
            found[deployment["metadata"]["name"]] = ports & asked
    for name in ("frontend", *(host.name for host in HOSTS)):
        assert len(found[name]) == 1, name
    assert set().union(*found.values()) == asked


def test_the_readme_names_every_file() -> None:
    assert [file.name for file in FILES if file.name not in README] == []


def test_the_dockerfile_makes_what_the_manifests_take() -> None:
    tool("hadolint", REPOSITORY / "Dockerfile")
    copies = [shlex.split(line)[1:] for line in DOCKERFILE.splitlines() if line.startswith("COPY ")]
    sources = [word for copy in copies if not copy[0].startswith("--from") for word in copy[:-1]]
    assert [source for source in sources if not (REPOSITORY / source).exists()] == []
    [channel] = re.findall(r'^channel = "(.*)"$', (REPOSITORY / "rust-toolchain.toml").read_text(), re.M)
    assert f"FROM rust:{channel}-" in DOCKERFILE
    # Where the program lies, and that Kubernetes sees that its user is not root.
    [home] = [copy[-1] for copy in copies if copy[0].startswith("--from")]
    assert f'ENTRYPOINT ["{home}/dynamo-host"]' in DOCKERFILE
    assert re.search(r"^USER [1-9]\d*:\d+$", DOCKERFILE, re.M)
    copied = [c["command"] for host in HOSTS for c in host.pod.get("initContainers", []) if c["command"][0] == "cp"]
    assert [command[-2] for command in copied] == [f"{home}/."]
