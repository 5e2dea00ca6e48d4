"""The engines a worker can be tested with: what installs, starts and questions each."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .process import Running, free_port

REPOSITORY = Path(__file__).resolve().parents[3]
SETUP = REPOSITORY / "tests" / "setup"


def installed(script: str, name: str) -> Path:
    """Runs one of tests/setup's scripts, which say on stderr what they do and print a path."""
    done = subprocess.run([SETUP / script, name], stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


@dataclass
class Engine:
    """A kind of engine, with the model it serves."""

    name: str
    plugin: str
    model: Path
    # Words that tell its main process from all others: its command line begins with them, whatever
    # folder the program lies in.
    program: list[str]
    # Flags of the host, beside --plugin and --model-path; those it does not know go to the engine.
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    # Seconds it may take to load on two cores that others use too.
    patience: float = 60
    # Whether it says true things.
    knows_france: bool = True
    # Flags that select the plugin, instead of its name.
    selected_by: list[str] = field(default_factory=list)

    def is_main(self, process: Running) -> bool:
        words = process.argv[: len(self.program)]
        return bool(words) and [os.path.basename(words[0]), *words[1:]] == self.program

    def running_requests(self, url: str) -> int:
        """Requests the engine works on, by its own account."""
        raise NotImplementedError

    def generated_tokens(self, url: str) -> int:
        """Tokens generated since its start, by its own account."""
        raise NotImplementedError


class LlamaCpp(Engine):
    def running_requests(self, url: str) -> int:
        return sum(slot["is_processing"] for slot in _json(f"{url}/slots"))

    def generated_tokens(self, url: str) -> int:
        return _metric(url, "llamacpp:tokens_predicted_total")


class Sglang(Engine):
    def held_requests(self, url: str) -> int:
        """Requests it has in any queue, those between prefill and decode among them."""
        queues = ("queues", "disaggregation")
        return self.running_requests(url) + sum(
            count
            for load in _json(f"{url}/v1/loads?include=all")["loads"]
            for queue in queues
            for name, count in (load[queue] or {}).items()
            if queue == "queues" or name.endswith("_reqs")
        )

    def running_requests(self, url: str) -> int:
        return sum(load["num_running_reqs"] for load in _json(f"{url}/v1/loads")["loads"])

    def generated_tokens(self, url: str) -> int:
        return _metric(url, "sglang:generation_tokens_total")


def llama() -> Engine:
    binaries = installed("venv.sh", "llama") / "bin"
    return LlamaCpp(
        name="llama",
        plugin="llama_cpp",
        model=installed("model.sh", "smollm2-gguf"),
        program=["llama-server"],
        environment={"PATH": f"{binaries}:{os.environ['PATH']}"},
    )


def sglang(model: str, plugin: str = "decode", arguments: Iterable[str] = ()) -> Engine:
    python = installed("venv.sh", "sglang") / "bin" / "python"
    return Sglang(
        name=f"sglang-{model}",
        plugin=plugin,
        model=installed("model.sh", model),
        program=["python", "-m", "sglang.launch_server"],
        arguments=[
            *("--engine-command", f"{python} -m sglang.launch_server"),
            *("--device", "cpu"),
            *("--attention-backend", "torch_native"),
            *("--max-total-tokens", "16384"),
            *("--context-length", "4096"),
            *("--mem-fraction-static", "0.05"),
            *("--page-size", "16"),
            "--disable-overlap-schedule",
            *("--cuda-graph-backend-decode", "disabled"),
            *("--cuda-graph-backend-prefill", "disabled"),
            "--enable-metrics",
            # The schedulers of a pair would keep both cores busy with nothing.
            "--sleep-on-idle",
            *arguments,
        ],
        environment={
            "SGLANG_USE_CPU_ENGINE": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "TRANSFORMERS_OFFLINE": "1",
            "DYN_LORA_ENABLED": "true",
            "OMP_NUM_THREADS": "2",
            "PYTHONPATH": str(SETUP / "sglang_cpu"),
        },
        patience=420,
        knows_france=model == "smollm2",
    )


# How a prefill and a decode engine hand over the KV cache by TCP.
TRANSFER = {
    "MOONCAKE_PROTOCOL": "tcp",
    "MC_TCP_BIND_ADDRESS": "127.0.0.1",
    "SGLANG_HOST_IP": "127.0.0.1",
    "HOST_IP": "127.0.0.1",
}


def halves() -> tuple[list[str], list[str]]:
    """Flags of a prefill engine and of a decode engine that belong together."""
    transfer = ("--disaggregation-transfer-backend", "mooncake")
    bootstrap = ("--disaggregation-bootstrap-port", str(free_port()))
    # The default backs up what it interrupts in page-locked memory, which needs a driver.
    backup = ("--disaggregation-decode-retraction-backup", "cpu_tensor")
    return (
        ["--disaggregation-mode", "prefill", *transfer, *bootstrap],
        ["--disaggregation-mode", "decode", *transfer, *backup],
    )


def sglang_pair(model: str) -> tuple[Engine, Engine]:
    """A prefill engine and a decode engine."""
    first, second = halves()
    pair = (sglang(model, "prefill", first), sglang(model, "decode", second))
    for engine in pair:
        engine.environment |= TRANSFER
    return pair


def procedural(kind: str) -> Engine:
    """The stand-in for SGLang's diffusion server, with its model for `image` or `video`: no model is
    behind it (tests/engines/procedural_diffusion)."""
    python = installed("venv.sh", "procedural") / "bin" / "python"
    program = str(REPOSITORY / "tests" / "engines" / "procedural_diffusion")
    flag = {"image": "--image-diffusion-worker", "video": "--video-generation-worker"}[kind]
    return Engine(
        name=f"procedural-{kind}",
        plugin={"image": "image_diffusion", "video": "video_generation"}[kind],
        model=Path(program) / "models" / kind,
        program=["python", program, "serve"],
        selected_by=[flag],
        arguments=["--engine-command", f"{python} {program} serve"],
    )


def sglang_vision(selected_by: Iterable[str], arguments: Iterable[str] = ()) -> Engine:
    """A part of what answers prompts with images: a tiny random Qwen2-VL, or its vision tower."""
    # Only the vision tower's own attention has no default for a CPU.
    attention = ("--mm-attention-backend", "sdpa")
    engine = sglang("tiny-qwen2-vl", arguments=[*attention, *arguments])
    engine.selected_by = list(selected_by)
    # PyTorch would ask the absent driver for a stream while it compiles.
    engine.environment["TORCH_COMPILE_DISABLE"] = "1"
    return engine


# Of the engines below each answers questions; this one draws.
PROCEDURAL = "procedural"

ENGINES = {
    "llama": llama,
    "sglang-tiny": lambda: sglang("tiny-llama"),
    "sglang-smollm2": lambda: sglang("smollm2"),
}


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read()


def _json(url: str):
    return json.loads(_get(url))


def _metric(url: str, name: str) -> int:
    """The sum over all label sets; 0 while the engine has not counted anything."""
    lines = _get(f"{url}/metrics").decode().splitlines()
    values = [line.rsplit(" ", 1)[1] for line in lines if line.split("{")[0].split(" ")[0] == name]
    return int(sum(map(float, values)))
