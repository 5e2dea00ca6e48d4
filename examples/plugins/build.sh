#!/usr/bin/env bash
# Builds an example in Python or JavaScript: `build.sh NAME`. Prints the component's path.
#
# The example becomes a project as `dynamo-host plugin new` writes one, with the SDK along, in the target
# folder; the tools come from the cache of tests/setup.
set -euo pipefail
name=${1:?usage: build.sh NAME}
examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$examples/../.." && pwd)
project=${CARGO_TARGET_DIR:-$repository/target}/examples/$name
setup=$repository/tests/setup

mkdir -p "$project/dynamo-worker"
rm -rf "$project/dynamo-worker/"*
cp -r "$repository/sdk" "$repository/wit" "$project/dynamo-worker/"
cp "$examples/$name/$name".* "$project/"
cd "$project"
if [ -e "$name.py" ]; then
    VIRTUAL_ENV=$("$setup/venv.sh" componentize) dynamo-worker/sdk/python/build.sh "$name" >&2
else
    ln -sfn "$("$setup/node.sh" componentize)/node_modules" node_modules
    node dynamo-worker/sdk/js/build.mjs "$name" >&2
fi
echo "$project/$name.wasm"
