"""The author's guide, executed: its blocks of `sh` in their order, in one shell."""

import re
from pathlib import Path

import pytest
from authors import run
from harness.deployment import HOST_BINARY, Deployment
from harness.engines import REPOSITORY, installed, llama
from harness.process import free_port

pytestmark = [pytest.mark.no_engine, pytest.mark.authors, pytest.mark.timeout(1800)]

GUIDE = REPOSITORY / "sdk" / "README.md"


def test_every_command_of_the_guide_does_what_it_says(deployment: Deployment, tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 10
    # What the guide asks its reader to have. The shell ends with the first command that fails, and its
    # children with it.
    engine = llama()
    programs = [HOST_BINARY.parent, installed("venv.sh", "frontend") / "bin", engine.environment["PATH"]]
    script = tmp_path / "guide.sh"
    script.write_text("set -euo pipefail; set -m\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n" + "\n".join(blocks))
    environment = {
        **deployment.mark.environment(),
        "PATH": ":".join(map(str, programs)),
        "MODEL": str(engine.model),
        "PORT": str(free_port()),
        "DYN_SYSTEM_HOST": "127.0.0.1",
        "DYN_TCP_RPC_HOST": "127.0.0.1",
        "DYN_TCP_RESPONSE_STREAM_HOST": "127.0.0.1",
        "DYN_EVENT_PLANE_HOST": "127.0.0.1",
        "HF_HUB_OFFLINE": "1",
        "RUSTFLAGS": "",
    }
    # The project is built where its reader would build it.
    environment.pop("CARGO_TARGET_DIR", None)
    run(["bash", script], tmp_path, environment)
