"""The command line: words of SGLang's own server, as far as workers give them."""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

MODEL_FILE = "procedural.json"


@dataclass(frozen=True)
class Server:
    """What the server was started with."""

    model_path: str
    served_model_name: str
    host: str
    port: int
    tp_size: int
    dp_size: int
    num_gpus: int
    # Where files are kept; none for nowhere.
    output_path: Path | None
    task_type: str
    seconds_per_step: float

    @property
    def makes_images(self) -> bool:
        return self.task_type.endswith("I")

    @property
    def takes_image(self) -> bool:
        return self.task_type in ("I2I", "TI2I", "I2V", "TI2V")

    @property
    def needs_image(self) -> bool:
        return self.task_type in ("I2I", "I2V")


def parse(words: list[str] | None = None) -> Server:
    """Ends the program, like the real one, over words it does not know."""
    parser = argparse.ArgumentParser(description="A procedural stand-in for SGLang's diffusion server: no model.")
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--model-type", choices=["diffusion"])
    parser.add_argument("--model-path", required=True)
    parser.add_argument("--served-model-name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=30000)
    parser.add_argument("--num-gpus", type=int, default=1)
    parser.add_argument("--tp-size", type=int, default=1)
    parser.add_argument("--dp-size", "--dp", "--data-parallel-size", type=int, default=1)
    parser.add_argument("--dist-timeout", type=int)
    parser.add_argument("--master-port", type=int)
    parser.add_argument("--output-path", default="outputs/")
    parser.add_argument("--input-save-path", default="inputs/uploads")
    parser.add_argument("--log-level", default="info")
    given = parser.parse_args(words)
    try:
        model = json.loads((Path(given.model_path) / MODEL_FILE).read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {given.model_path} is no folder with a {MODEL_FILE}: {error}") from None
    return Server(
        model_path=given.model_path,
        served_model_name=given.served_model_name or given.model_path,
        host=given.host,
        port=given.port,
        tp_size=given.tp_size,
        dp_size=given.dp_size,
        num_gpus=given.num_gpus,
        output_path=Path(given.output_path).absolute() if given.output_path.strip() else None,
        task_type=model["task_type"],
        seconds_per_step=model["seconds_per_step"],
    )
