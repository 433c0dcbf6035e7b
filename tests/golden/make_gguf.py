"""Tiny GGUF files and what transformers makes of their weights, as the gguf package dequantises them; and blocks
of every quantised type with their numbers. Written to tests/golden/gguf.

Needs torch 2.11.0, transformers 4.57.6, gguf 0.17.1, tokenizers. Run: python3 tests/golden/make_gguf.py
"""

import json
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from tokenizers import pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

FOLDER = pathlib.Path(__file__).resolve().parent / "gguf"
WIDTH, FFN, LAYERS, HEADS, KV_HEADS, CONTEXT = 32, 64, 2, 4, 2, 64
BLOCKS = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}{% endfor %}"


def blocks():
    """Bytes of blocks and their numbers; the K types, which the package can not make, from random bytes."""
    random = np.random.default_rng(5)
    made = {}
    for name in BLOCKS:
        kind = Type[name]
        numbers, size = gguf.GGML_QUANT_SIZES[kind]
        if "K" in name:
            raw = random.integers(0, 256, (3, size), dtype=np.uint8)
            at = 208 if name == "Q6_K" else 0  # the block's scale, and its minimum after it
            for place in (at,) if name == "Q6_K" else (at, at + 2):
                scale = random.normal(0, 0.02, 3).astype(np.float16)
                raw[:, place : place + 2] = scale.reshape(3, 1).view(np.uint8)
        else:
            raw = gguf.quants.quantize(random.normal(0, 1, (3, max(numbers, 32))).astype(np.float32), kind)
        values = gguf.quants.dequantize(raw, kind).astype(np.float32).reshape(-1)
        made[name] = dict(bytes=raw.tobytes().hex(), values=[float(v) for v in values])
    (FOLDER / "blocks.json").write_text(json.dumps(made) + "\n")


def turned(rows, heads):
    """Rows in the order in which llama.cpp's llama wants them: halves of each head interleaved."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(rows.shape)


def unturned(rows, heads):
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(rows.shape)


GPT2_NAMES = {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.h.": "blk.",
    "transformer.ln_f": "output_norm",
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
LLAMA_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.layers.": "blk.",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def renamed(name, names):
    for theirs, ours in names.items():
        name = name.replace(theirs, ours)
    return name


def add_tokenizer(writer, pre):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = ["t h", "th e", "i n", "Ġ the", "a n", "an d", "e r", "1 2"]
    tokens = ["<|endoftext|>", "<|im_start|>"] + alphabet + [m.replace(" ", "") for m in merges] + ["<user>"]
    kinds = [3, 3] + [1] * (len(tokens) - 3) + [4]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    return len(tokens)


def add_shape(writer, config, arch):
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    if arch == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    if getattr(config, "head_dim", None) not in (None, WIDTH // HEADS):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(getattr(config, "head_dim", None) or WIDTH // HEADS)


def kind_of(name, shape, kinds):
    """The type that a tensor is stored in; vectors stay fp32, as llama.cpp keeps them."""
    if len(shape) == 1:
        return Type.F32
    return Type[kinds.get(name.split(".")[-2], kinds["else"])]


def rope_factors(scaling, base):
    """llama.cpp's divisors of the frequencies for Llama 3.1's scaling."""
    width = WIDTH // HEADS
    frequencies = 1.0 / base ** (np.arange(0, width, 2, dtype=np.float64) / width)
    waves = 2 * np.pi / frequencies
    low = scaling["original_max_position_embeddings"] / scaling["low_freq_factor"]
    high = scaling["original_max_position_embeddings"] / scaling["high_freq_factor"]
    smooth = (scaling["original_max_position_embeddings"] / waves - scaling["low_freq_factor"]) / (
        scaling["high_freq_factor"] - scaling["low_freq_factor"]
    )
    blended = 1 / ((1 - smooth) / scaling["factor"] + smooth)
    return np.where(waves < high, 1.0, np.where(waves > low, scaling["factor"], blended)).astype(np.float32)


def make(name, arch, network_class, config, kinds, pre):
    torch.manual_seed(11)
    writer = gguf.GGUFWriter(FOLDER / f"{name}.gguf", arch)
    config.vocab_size = add_tokenizer(writer, pre)
    add_shape(writer, config, arch)
    network = network_class(config).eval()
    with torch.no_grad():
        for key, weight in network.named_parameters():
            is_norm = weight.dim() == 1 and key.endswith("weight")
            weight.copy_(torch.randn_like(weight) * (0.1 if weight.dim() == 1 else 0.4) + float(is_norm))
            theirs = renamed(key, GPT2_NAMES if arch == "gpt2" else LLAMA_NAMES)
            conv = arch == "gpt2" and weight.dim() == 2 and key.startswith("transformer.h.")
            heads = dict(attn_q=HEADS, attn_k=KV_HEADS).get(theirs.split(".")[-2]) if arch == "llama" else None
            stored = weight.numpy().T if conv else weight.numpy()
            stored = np.ascontiguousarray(turned(stored, heads) if heads else stored)
            kind = kind_of(theirs, stored.shape, kinds)
            raw = gguf.quants.quantize(stored, kind)
            writer.add_tensor(theirs, raw, raw_dtype=kind)
            back = gguf.quants.dequantize(raw, kind).reshape(stored.shape).astype(np.float32)
            back = unturned(back, heads) if heads else back
            weight.copy_(torch.from_numpy(np.ascontiguousarray(back.T if conv else back)))
        if getattr(config, "rope_scaling", None):
            writer.add_tensor("rope_freqs.weight", rope_factors(config.rope_scaling, config.rope_theta))
        ids = [(5 * i * i + 3 * i + 1) % config.vocab_size for i in range(24)]
        logits = network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -4:]
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    expected = dict(ids=ids, logits_of_last=[round(v, 7) for v in logits.reshape(-1).tolist()])
    (FOLDER / f"{name}.json").write_text(json.dumps(expected) + "\n")
    print(name, (FOLDER / f"{name}.gguf").stat().st_size)


def main():
    blocks()
    shape = dict(
        hidden_size=WIDTH,
        intermediate_size=FFN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=2e-5,
        rope_theta=5000.0,
        attn_implementation="eager",
    )
    mixed = {"token_embd": "Q8_0", "ffn_down": "Q4_0", "attn_v": "BF16", "else": "Q4_1"}
    make(
        "llama",
        "llama",
        LlamaForCausalLM,
        LlamaConfig(**shape, tie_word_embeddings=True),
        mixed,
        "smollm",
    )
    scaling = dict(
        rope_type="llama3",
        factor=8.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=8192,
    )
    make(
        "llama3",
        "llama",
        LlamaForCausalLM,
        LlamaConfig(**shape | dict(rope_theta=500000.0, rope_scaling=scaling)),
        {"else": "Q8_0"},
        "llama-bpe",
    )
    make("qwen2", "qwen2", Qwen2ForCausalLM, Qwen2Config(**shape), {"else": "F16"}, "qwen2")
    make(
        "qwen3",
        "qwen3",
        Qwen3ForCausalLM,
        Qwen3Config(**shape, head_dim=16, tie_word_embeddings=True),
        {"else": "Q5_1", "attn_q": "Q5_0"},
        "qwen2",
    )
    gpt2 = GPT2Config(n_embd=WIDTH, n_inner=FFN, n_layer=LAYERS, n_head=HEADS, n_positions=CONTEXT)
    make("gpt2", "gpt2", GPT2LMHeadModel, gpt2, {"else": "Q8_0", "position_embd": "F32"}, "gpt-2")


if __name__ == "__main__":
    main()
