#!/usr/bin/env bash
# Installs what the build needs from the system, and only what is missing: the protobuf compiler
# (dynamo-runtime's etcd client), a C++ compiler (libzmq is built from bundled source), Python's
# venv module, and the Rust target of the plugins. Does nothing at all when nothing is missing.
set -euo pipefail
. "$(dirname "$0")/cache.sh"

command -v cargo >/dev/null || die "cargo is missing: install Rust with rustup (https://rustup.rs)"

missing=()
command -v protoc >/dev/null || missing+=(protobuf-compiler)
# protoc's own well-known types, which a machine without recommended packages lacks.
[ -n "${PROTOC_INCLUDE:-}" ] || [ -e /usr/include/google/protobuf/empty.proto ] || missing+=(libprotobuf-dev)
command -v c++ >/dev/null || missing+=(g++)
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

apt_install "${missing[@]}"

# The toolchain itself and its target stand in rust-toolchain.toml; rustup reads it by itself
# unless told not to install anything on its own.
target=wasm32-wasip2
cd "$setup/../.."
if command -v rustup >/dev/null; then
    toolchain=$(sed -n 's/^channel *= *"\(.*\)"/\1/p' rust-toolchain.toml)
    rustup toolchain list | grep -q "^$toolchain" || {
        say "installing Rust $toolchain"
        rustup toolchain install "$toolchain" --profile minimal --component rustfmt --component clippy
    }
    rustup target list --installed --toolchain "$toolchain" | grep -qx "$target" || {
        say "installing the Rust target $target"
        rustup target add --toolchain "$toolchain" "$target"
    }
elif [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
    die "the Rust target $target is missing, and there is no rustup to add it"
fi
