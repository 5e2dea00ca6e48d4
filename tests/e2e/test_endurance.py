"""A short form of endurance.py, which `make endurance` runs for half an hour."""

import subprocess
import sys

import pytest
from harness.engines import REPOSITORY

pytestmark = pytest.mark.no_engine

PROGRAM = REPOSITORY / "tests" / "measure" / "endurance.py"


def test_nothing_is_lost_or_leaks_while_the_engine_breaks() -> None:
    # Memory is judged in long runs only.
    words = [sys.executable, PROGRAM, "--minutes", "0.4"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        try:
            said, _ = program.communicate(timeout=450)
        except subprocess.TimeoutExpired:
            program.terminate()  # it ends what it has started
            said, _ = program.communicate()
    assert program.returncode == 0, said
    lines = said.splitlines()
    assert "unaccounted: 0" in lines and lines[-1] == "endured", said
