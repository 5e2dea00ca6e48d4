"""Makes a tiny random Qwen2-VL in Hugging Face's layout: weights, tokenizer, processor, chat template.

    python tiny_qwen2_vl.py OUT_DIR

Two layers of language model and two of vision tower with seeded random weights, 1.5 MB: an engine
loads and runs it like any Qwen2-VL, on a CPU too, and what it says of an image is noise that still
depends on the image. The tokenizer is that of the tiny Llama with Qwen2-VL's vision tokens. An image is
scaled to at most 16 merged patches, a token each.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from tiny_llama import BOS, CONTEXT, END, make_tokenizer

VISION_START, VISION_END, VISION_PAD = "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"
IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
HIDDEN = 128
SPREAD = 0.2
PATCH, MERGE = 14, 2
MERGED_PATCH = (PATCH * MERGE) ** 2
PIXELS = {"min_pixels": 4 * MERGED_PATCH, "max_pixels": 16 * MERGED_PATCH}
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ('image', 'image_url') %}"
    "{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{% elif part['type'] in ('video', 'video_url') %}"
    "{{ '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{% elif 'text' in part %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{{ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def main(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    core = make_tokenizer()
    core.add_special_tokens([VISION_START, VISION_END, VISION_PAD, IMAGE, VIDEO])
    ids = {token: core.token_to_id(token) for token in (BOS, END, VISION_START, VISION_END, IMAGE, VIDEO)}

    torch.manual_seed(20)
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": core.get_vocab_size(),
            "hidden_size": HIDDEN,
            "intermediate_size": 352,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": CONTEXT,
            "bos_token_id": ids[BOS],
            "eos_token_id": ids[END],
            # Weights large enough that it does not say the same whatever it sees.
            "initializer_range": SPREAD,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 6, 6],
            },
        },
        vision_config={
            "depth": 2,
            "embed_dim": 64,
            "hidden_size": HIDDEN,
            "num_heads": 4,
            "mlp_ratio": 2,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "initializer_range": SPREAD,
            # SGLang reads it under its older name.
            "in_chans": 3,
        },
        image_token_id=ids[IMAGE],
        video_token_id=ids[VIDEO],
        vision_start_token_id=ids[VISION_START],
        vision_end_token_id=ids[VISION_END],
        tie_word_embeddings=False,
    )
    Qwen2VLForConditionalGeneration(config).to(torch.bfloat16).save_pretrained(out)

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=END,
        pad_token=BOS,
        model_max_length=CONTEXT,
        chat_template=CHAT_TEMPLATE,
        extra_special_tokens={"image_token": IMAGE, "video_token": VIDEO},
    )
    patches = {"patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": 2}
    Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(**PIXELS, **patches),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(**PIXELS, **patches),
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(out)
    (out / "generation_config.json").write_text(
        json.dumps({"bos_token_id": ids[BOS], "eos_token_id": ids[END]})
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
