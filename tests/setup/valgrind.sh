#!/usr/bin/env bash
# Installs valgrind, which counts instructions, if it is missing.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

command -v valgrind >/dev/null || apt_install valgrind
