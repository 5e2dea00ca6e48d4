#!/usr/bin/env bash
# Unpacks a package of Debian's or Ubuntu's into the cache, without installing it: nothing is started,
# and root is not needed. Prints the folder with what the package holds.
#
#   deb.sh prometheus     a server for metrics, and promtool
set -euo pipefail
. "$(dirname "$0")/cache.sh"

name=${1:?which package?}
command -v apt-get >/dev/null || die "$name comes from a package of Debian's, and there is no apt-get here"
version=$(apt-cache policy "$name" | sed -n 's/^ *Candidate: //p')
[ -n "$version" ] && [ "$version" != "(none)" ] || die "there is no package $name here (apt-get update?)"
dir=$cache/deb/$name-${version//[^A-Za-z0-9.]/-}

unpack() {
    say "unpacking the package $name $version into $dir"
    local scratch
    scratch=$(mktemp -d)
    (cd "$scratch" && apt-get download -q "$name" && dpkg -x ./*.deb "$dir")
    rm -r "$scratch"
}

make_once "$dir" unpack
echo "$dir"
