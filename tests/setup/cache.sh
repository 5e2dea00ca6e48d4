# Sourced by the scripts beside it: where installed things are kept, how things are installed, and
# how they say what they do.
#
# The cache lies outside the clone, so that a second clone (CI makes one for every run) installs
# nothing twice. Everything in it is named by a hash of what it was made from and is complete when
# its `.complete` file is there: an interrupted installation is thrown away and done again.

cache=${DYN_HOST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dynamo-host}
setup=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# hash FILE...: the first 12 digits of a SHA-256 over the files' contents.
hash() { cat "$@" | sha256sum | cut -c1-12; }

# apt_install PACKAGE...: installs what is named, as root; nothing for no names.
apt_install() {
    [ $# -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "please install: $* (no apt-get here to do it)"
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "please install as root: apt-get install $*"
        as_root=(sudo)
    fi
    say "installing with apt-get: $*"
    "${as_root[@]}" apt-get update -q >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y "$@" >&2
}

# make_once DIR COMMAND...: runs the command, which must fill DIR, unless DIR is already complete.
# Two callers at once take turns.
make_once() {
    local dir=$1
    shift
    [ -e "$dir/.complete" ] && return
    mkdir -p "$(dirname "$dir")"
    exec 9>"$dir.lock"
    flock 9
    if [ ! -e "$dir/.complete" ]; then
        rm -rf "$dir"
        "$@" >&2 9>&-
        touch "$dir/.complete"
    fi
    exec 9>&-
}
