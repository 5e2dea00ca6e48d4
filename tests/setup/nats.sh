#!/usr/bin/env bash
# Installs the NATS server from the system's packages, if it is missing, and prints its path.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

# Debian puts it where only root looks.
export PATH=$PATH:/usr/sbin
command -v nats-server >/dev/null || apt_install nats-server
command -v nats-server
