"""What a worker shows at `/metrics`."""

import subprocess
from collections import Counter

from harness.deployment import Worker
from harness.prometheus import promtool


def exposition(worker: Worker) -> str:
    status, text = worker.status("/metrics")
    assert status == 200
    return text


def check(text: str) -> None:
    """Prometheus's own tool accepts it, and finds nothing to say about our families."""
    lines = text.splitlines()
    for keyword in ("# TYPE", "# HELP"):
        names = Counter(line.split()[2] for line in lines if line.startswith(keyword))
        assert [name for name, count in names.items() if count > 1] == []
    series = Counter(line.rsplit(" ", 1)[0] for line in lines if line and not line.startswith("#"))
    assert [name for name, count in series.items() if count > 1] == []
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    # 3 is for advice about names: SGLang's have colons, and Dynamo's are Dynamo's.
    assert done.returncode in (0, 3), done.stderr
    advice = [line for line in done.stderr.splitlines() if line.startswith("dynamo_host_")]
    assert advice == []


def value(text: str, name: str) -> float:
    """The sum of a family's samples."""
    lines = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
    assert lines, f"{name} is not there"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
