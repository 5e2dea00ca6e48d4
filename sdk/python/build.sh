#!/usr/bin/env bash
# Builds MODULE.wasm of the plugin in MODULE.py, in the current folder: `build.sh MODULE`.
#
# In an active virtual environment with requirements.txt installed, or else in .venv, which is made.
set -euo pipefail
module=${1:?usage: build.sh MODULE}
sdk=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

venv=${VIRTUAL_ENV:-$PWD/.venv}
if [ ! -x "$venv/bin/componentize-py" ]; then
    echo "installing componentize-py into $venv" >&2
    [ -d "$venv" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$sdk/requirements.txt"
fi
libraries=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Without WASI: a plugin has no files, clocks or randomness. Its interpreter asks for them only while it
# starts, which it does here, once and for all.
"$venv/bin/componentize-py" --wit-path "$sdk/../../wit/v0.1" --world worker-plugin-alone \
    componentize --stub-wasi --python-path . --python-path "$sdk" --python-path "$libraries" \
    "$module" --output "$module.wasm"
