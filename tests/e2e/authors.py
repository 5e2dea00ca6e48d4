"""What an author does on a command line."""

import os
import shutil
import subprocess
from pathlib import Path

from harness.deployment import HOST_BINARY, TARGET
from harness.engines import REPOSITORY, installed

EXAMPLES = REPOSITORY / "examples" / "plugins"
GUESTS = REPOSITORY / "tests" / "guests" / "languages"
# Compiling a component of Python or JavaScript takes a minute on cores that others use.
PATIENCE = 300


def run(words: list[object], cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Runs a command, which must succeed, and returns what it said."""
    argv = [str(word) for word in words]
    env = os.environ if environment is None else environment
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{argv} in {cwd}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def new(name: str, language: str, into: Path) -> Path:
    """A new project."""
    run([HOST_BINARY, "plugin", "new", name, "--lang", language, "--into", into])
    return into / name


def build(project: Path, language: str, *imports: str) -> Path:
    """Builds a project by the commands of its README, with tools that are installed already. In Python and
    JavaScript the component imports what is named."""
    name = project.name
    if language == "rust":
        # Its dependencies are compiled once for all projects of these tests.
        target = TARGET / "authors"
        command = ["cargo", "build", "--release", "--target", "wasm32-wasip2"]
        run(command, project, {**os.environ, "CARGO_TARGET_DIR": str(target), "RUSTFLAGS": ""})
        return target / "wasm32-wasip2" / "release" / f"{name}.wasm"
    if language == "python":
        venv = installed("venv.sh", "componentize")
        run(["dynamo-worker/sdk/python/build.sh", name, *imports], project, {**os.environ, "VIRTUAL_ENV": str(venv)})
    else:
        (project / "node_modules").symlink_to(installed("node.sh", "componentize") / "node_modules")
        run(["npm", "run", "build", "--", *imports], project)
    return project / f"{name}.wasm"


def guest(name: str, language: str, into: Path, *imports: str) -> Path:
    """Builds a test plugin as a project of its own, with these imports."""
    project = into / name
    for folder in ("sdk", "wit"):
        shutil.copytree(REPOSITORY / folder, project / "dynamo-worker" / folder)
    shutil.copy(GUESTS / f"{name}.{'py' if language == 'python' else language}", project)
    if language == "js":
        package = (REPOSITORY / "sdk/templates/js/package.json").read_text()
        (project / "package.json").write_text(package.replace("my_worker", name))
    return build(project, language, *imports)


def check(plugin: Path, cases: Path) -> str:
    """Runs case files against a plugin; all must pass."""
    return run([HOST_BINARY, "plugin", "check", "--plugin", plugin, cases])


def example(name: str) -> Path:
    """Builds one of the examples."""
    folder = EXAMPLES / name
    if (folder / "Cargo.toml").exists():
        return build(folder, "rust")
    return Path(run([EXAMPLES / "build.sh", name]).strip())
