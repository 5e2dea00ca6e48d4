"""What the demos share: how they say what they do, stay up, and leave nothing behind."""

import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from harness.deployment import Deployment  # noqa: E402
from harness.engines import installed  # noqa: E402, F401
from harness.process import Failed, free_port  # noqa: E402

# All that ends a demo: SIGHUP is its terminal being closed.
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def pick_port() -> int:
    """Dynamo's usual port if nobody has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 8000))
        except OSError:
            return free_port()
    return 8000


def stay_up(deployment: Deployment) -> None:
    """With a terminal until Ctrl-C or until something has exited; else not at all."""
    if not sys.stdin.isatty():
        return
    say("up until Ctrl-C")
    try:
        while all(process.running for process in deployment.started):
            time.sleep(0.5)
    except KeyboardInterrupt:
        say("stopping")
        return
    gone = next(process for process in deployment.started if not process.running)
    raise Failed(f"{gone.name} has exited; its last lines:\n{gone.tail()}")


def run(demo: Callable[[Deployment], None]) -> int:
    """The exit status of a demo. Whatever it started is gone afterwards."""
    for number in ENDINGS:
        # What is ignored from the start stays so: `nohup` wants the demo to outlive its terminal.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        with Deployment(say=say, http_port=pick_port()) as deployment:
            demo(deployment)
            _ignore_signals()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (Failed, OSError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    return 0


def _ignore_signals() -> None:
    """From here on everything is being stopped, and nothing interrupts that."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(*_: object) -> None:
    _ignore_signals()
    raise KeyboardInterrupt
