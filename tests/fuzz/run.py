"""Builds all fuzz targets, then feeds each for some seconds; fails if one of them finds something.

The committed corpus is only read. What is found worth keeping goes to a corpus beside what was built,
from which the next run goes on.
"""

import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
REPOSITORY = FUZZ.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
# What a request, an answer or a plugin may cost at most, by far.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048"]
# The toolchain is a stable one, which has no sanitizers; nearly all of the code is safe.
OPTIONS = ["--fuzz-dir", "tests/fuzz", "--sanitizer", "none"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each; 0 reads the corpora only")
    parser.add_argument("--at-once", type=int, default=2, help="how many run at once")
    parser.add_argument("targets", nargs="*", help="all if none is named")
    arguments = parser.parse_args()
    cargo("fuzz", "build", *OPTIONS)
    targets = arguments.targets or cargo("fuzz", "list", *OPTIONS[:2], capture=True).split()
    built = TARGET / triple() / "release"
    with ThreadPoolExecutor(arguments.at_once) as pool:
        clean = list(pool.map(lambda target: feed(built, target, arguments.seconds), targets))
    return 0 if all(clean) else 1


def cargo(*words: str, capture: bool = False) -> str:
    ran = subprocess.run(
        ["cargo", *words],
        cwd=REPOSITORY,
        # Not beside the targets, as cargo-fuzz would have it.
        env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)},
        check=True,
        text=True,
        stdout=subprocess.PIPE if capture else None,
    )
    return ran.stdout or ""


def feed(built: Path, target: str, seconds: int) -> bool:
    """Whether nothing was found."""
    place = TARGET / "fuzz" / target
    corpus, log = place / "corpus", place / "log"
    corpus.mkdir(parents=True, exist_ok=True)
    # Zero seconds would be as many as it likes.
    length = f"-max_total_time={seconds}" if seconds else "-runs=0"
    command = [built / target, corpus, FUZZ / "corpus" / target, length, *LIMITS]
    command += [f"-artifact_prefix={place}/", "-print_final_stats=1"]
    with log.open("wb") as out:
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    said = log.read_text(errors="replace")
    executions = re.search(r"number_of_executed_units: +(\d+)", said)
    count = f"{int(executions[1]):,}" if executions else "an unknown number of"
    print(f"{target}: {count} executions, {'no finding' if code == 0 else 'ONE FINDING'}", flush=True)
    if code != 0:
        explain(target, said, log)
    return code == 0


def explain(target: str, said: str, log: Path) -> None:
    panic = re.search(r"panicked at .*\n.*|ERROR: .*", said)
    artifact = re.search(r"Test unit written to (\S+)", said)
    print(f"    {panic[0] if panic else 'it ended early'}\n    all it said: {log}")
    if artifact:
        again = " ".join([f"CARGO_TARGET_DIR={TARGET} cargo fuzz run", *OPTIONS, target, artifact[1]])
        print(f"    input: {artifact[1]}\n    again: {again}", flush=True)


def triple() -> str:
    """Where cargo-fuzz builds for."""
    about = subprocess.run(["rustc", "-vV"], cwd=REPOSITORY, check=True, text=True, capture_output=True)
    host = re.search(r"host: (\S+)", about.stdout)
    assert host, "rustc names its host"
    return host[1]


if __name__ == "__main__":
    sys.exit(main())
