#!/usr/bin/env bash
# Installs the servers of a cluster, NATS and etcd, and only what is missing.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

missing=()
PATH="$PATH:/usr/sbin:/sbin"
command -v nats-server >/dev/null || missing+=(nats-server)
command -v etcd >/dev/null || missing+=(etcd-server)
command -v ip >/dev/null || missing+=(iproute2)
apt_install "${missing[@]}"
