#!/usr/bin/env bash
# Builds MODULE.wasm of the plugin in MODULE.py, in the current folder: `build.sh MODULE [IMPORT...]`.
#
# In an active virtual environment with requirements.txt installed, or else in .venv, which is made. The
# component imports all that is named, used or not, and the operator must grant it: log, metrics, media,
# peers, engine.
set -euo pipefail
usage="usage: build.sh MODULE [IMPORT...], where an IMPORT is log, metrics, media, peers or engine"
module=${1:?$usage}
shift
sdk=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
wit=$sdk/../../wit/v0.1
world=worker-plugin-alone

for import in "$@"; do
    case $import in
        log | metrics | media | peers | engine) ;;
        *) printf 'no such import: %s\n%s\n' "$import" "$usage" >&2; exit 2 ;;
    esac
done
if [ $# -gt 0 ]; then
    # The contract with one world more, of what was named.
    named=$(mktemp -d)
    trap 'rm -r "$named"' EXIT
    cp "$wit"/*.wit "$named"
    wit=$named
    world=worker-plugin-named
    printf 'world %s { include worker-plugin-alone;%s }\n' "$world" "$(printf ' import %s;' "$@")" >"$wit/named.wit"
fi

venv=${VIRTUAL_ENV:-$PWD/.venv}
if [ ! -x "$venv/bin/componentize-py" ]; then
    echo "installing componentize-py into $venv" >&2
    [ -d "$venv" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$sdk/requirements.txt"
fi
libraries=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Without WASI: a plugin has no files, clocks or randomness. Its interpreter asks for them only while it
# starts, which it does here, once and for all.
"$venv/bin/componentize-py" --wit-path "$wit" --world "$world" \
    componentize --stub-wasi --python-path . --python-path "$sdk" --python-path "$libraries" \
    "$module" --output "$module.wasm"
