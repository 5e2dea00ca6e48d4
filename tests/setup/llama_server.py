"""llama.cpp's own HTTP server, as the package xllamacpp carries it, under the name and with the flags of llama-server.

For machines whose processor cannot run the prebuilt llama-server: that one is compiled for AVX-512, this one for AVX2.
It is the same C++ server, in a Python process that does nothing else.
"""

import argparse
import os
import signal
import sys

# Threads that wait by spinning take the processor from whoever else is on this machine. OpenMP reads this
# when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import xllamacpp  # noqa: E402


def read_flags() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="llama-server", allow_abbrev=False)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("-a", "--alias")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("-c", "--ctx-size", type=int, default=0)
    parser.add_argument("-np", "--parallel", type=int, default=4)
    parser.add_argument("-t", "--threads", type=int, default=os.cpu_count())
    for flag in ("--metrics", "--no-ui", "--offline"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def main() -> None:
    flags = read_flags()
    if not os.path.isfile(flags.model):
        sys.exit(f"error: failed to open the model {flags.model}")
    params = xllamacpp.CommonParams()
    params.model.path = flags.model
    params.model_alias = {flags.alias} if flags.alias else set()
    params.hostnames = [flags.host]
    params.port = flags.port
    params.n_ctx = flags.ctx_size
    params.n_parallel = flags.parallel
    params.endpoint_metrics = flags.metrics
    params.endpoint_slots = True
    params.ui = not flags.no_ui
    params.offline = flags.offline
    params.cpuparams.n_threads = flags.threads
    params.cpuparams.poll = 0
    server = xllamacpp.Server(params)
    print(f"llama.cpp {xllamacpp.BUILD_INFO} listens at {server.listening_address}", flush=True)
    # The server has threads of its own. Without a handler a signal would end Python in the middle.
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
