"""Makes a random LoRA adapter for the tiny Llama, as PEFT would save it.

    python tiny_adapter.py TINY_LLAMA OUT_DIR

Seeded random numbers, large enough that what the model says with it is other noise than without.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

RANK = 4
MODULES = ("q_proj", "v_proj", "o_proj")


def main(base: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model = json.loads((base / "config.json").read_text())
    hidden = model["hidden_size"]
    value = hidden // model["num_attention_heads"] * model["num_key_value_heads"]
    torch.manual_seed(21)
    weights = {}
    for layer in range(model["num_hidden_layers"]):
        for module in MODULES:
            name = f"base_model.model.model.layers.{layer}.self_attn.{module}"
            width = value if module == "v_proj" else hidden
            weights[f"{name}.lora_A.weight"] = torch.randn(RANK, hidden).to(torch.bfloat16)
            weights[f"{name}.lora_B.weight"] = torch.randn(width, RANK).to(torch.bfloat16)
    save_file(weights, out / "adapter_model.safetensors")
    facts = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny-llama",
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": list(MODULES),
    }
    (out / "adapter_config.json").write_text(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
