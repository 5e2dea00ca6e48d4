"""Makes a tiny random Llama in Hugging Face's layout: weights, tokenizer and chat template.

    python tiny_llama.py OUT_DIR

Two layers with seeded random weights, 1 MB: an engine loads and runs it like any Llama, at hundreds
of tokens a second on a CPU, and what it says is noise. The tokenizer is byte-level BPE trained on a
few lines, so any text encodes and decodes without loss.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

BOS, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTEXT = 4096
TRAINING_TEXT = [
    "the model answers one request after another and streams every token as it comes",
    "a user asks, an assistant answers, a system message says how",
    "What is the capital of France? Tell me a story about the sea.",
    "0 1 2 3 4 5 6 7 8 9 . , ; : ! ? ( ) [ ] { } \" '",
]
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=448,
        special_tokens=[BOS, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TRAINING_TEXT * 20, trainer)
    return tokenizer


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    bos, end = tokenizer.token_to_id(BOS), tokenizer.token_to_id(END)

    torch.manual_seed(20)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=bos,
        eos_token_id=end,
        pad_token_id=bos,
        tie_word_embeddings=False,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(out)

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
    (out / "generation_config.json").write_text(json.dumps({"bos_token_id": bos, "eos_token_id": end}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
