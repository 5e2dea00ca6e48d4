"""Makes a tiny random diffusion language model in Hugging Face's layout.

    python tiny_diffusion.py OUT_DIR

SDAR is Qwen3 trained to fill in masked blocks of four tokens; with seeded random weights the one is
as good as the other, so this is a Qwen3 of two layers by SDAR's name. SGLang knows SDAR's mask by its
number in SDAR's own vocabulary, which is why the vocabulary is so large. Tokenizer and chat template
are those of the tiny Llama.
"""

import json
import sys
from pathlib import Path

import torch
from tiny_llama import BOS, CHAT_TEMPLATE, CONTEXT, END, make_tokenizer
from transformers import Qwen3Config, Qwen3ForCausalLM

MASK = 151669


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    bos, end = tokenizer.token_to_id(BOS), tokenizer.token_to_id(END)
    torch.manual_seed(23)
    config = Qwen3Config(
        vocab_size=MASK + 3,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        bos_token_id=bos,
        eos_token_id=end,
        pad_token_id=bos,
        tie_word_embeddings=False,
    )
    model = Qwen3ForCausalLM(config)
    # What the tokenizer has no text for is never the likeliest.
    with torch.no_grad():
        model.lm_head.weight[tokenizer.get_vocab_size() :] = 0
    model.to(torch.bfloat16).save_pretrained(out)
    written = json.loads((out / "config.json").read_text())
    written["architectures"] = ["SDARForCausalLM"]
    (out / "config.json").write_text(json.dumps(written, indent=2))
    tokenizer.save(str(out / "tokenizer.json"))
    facts = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": END,
        "pad_token": BOS,
        "model_max_length": CONTEXT,
        "chat_template": CHAT_TEMPLATE,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
