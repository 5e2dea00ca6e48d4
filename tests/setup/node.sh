#!/usr/bin/env bash
# Makes a folder with the node_modules of package.json in node/NAME, once, and prints it.
#
#   node.sh componentize   what makes components of JavaScript, 0.3 GB
set -euo pipefail
. "$(dirname "$0")/cache.sh"

name=${1:?usage: node.sh componentize}
package=$setup/node/$name/package.json
[ -e "$package" ] || die "no such environment: $name"
if ! command -v npm >/dev/null; then apt_install nodejs npm; fi

install() {
    say "installing the packages of $name into $folder"
    mkdir -p "$folder"
    cp "$package" "$folder/"
    npm --prefix "$folder" install --no-audit --no-fund --loglevel error
}

folder=$cache/node/$name-$(hash "$package")
make_once "$folder" install
echo "$folder"
