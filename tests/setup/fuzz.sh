#!/usr/bin/env bash
# Installs cargo-fuzz, if it is missing, where cargo keeps its other commands.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

command -v cargo-fuzz >/dev/null && exit
say "installing cargo-fuzz"
cargo install cargo-fuzz --version 0.13.2 --locked >&2
