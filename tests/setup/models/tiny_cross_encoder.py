"""Makes a tiny random cross encoder in Hugging Face's layout: a model that reads a query and a
document together and gives one score.

    python tiny_cross_encoder.py OUT_DIR

An XLM-RoBERTa for sequence classification, two layers with seeded random weights: SGLang loads and
runs it like a real reranker, and its scores mean nothing, but are the same each time.
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

BOS, PAD, EOS, UNK, MASK = SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
CONTEXT = 512


def make_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["which document answers the query best"] * 20, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in (BOS, EOS)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", pair=f"{BOS} $A {EOS} {EOS} $B {EOS}", special_tokens=ends
    )
    return tokenizer


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    torch.manual_seed(22)
    config = XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        # Positions begin after that of the padding.
        max_position_embeddings=CONTEXT + 2,
        type_vocab_size=1,
        # Older configurations say so, and SGLang reads it.
        position_embedding_type="absolute",
        num_labels=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        # Otherwise the scores of all documents round to the same.
        initializer_range=0.5,
    )
    XLMRobertaForSequenceClassification(config).to(torch.float32).save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    facts = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "cls_token": BOS,
        "sep_token": EOS,
        "pad_token": PAD,
        "unk_token": UNK,
        "mask_token": MASK,
        "model_max_length": CONTEXT,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(facts, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
