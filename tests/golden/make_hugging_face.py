"""Tiny Hugging Face folders with random weights, one for each architecture that is read, and what transformers
makes of them: logits and greedy tokens in fp32. Written to tests/golden/hugging_face/NAME.

Needs torch 2.11.0, transformers 4.57.6, tokenizers. Run: python3 tests/golden/make_hugging_face.py
"""

import json
import pathlib
import shutil

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

FOLDER = pathlib.Path(__file__).resolve().parent / "hugging_face"
SMALL = dict(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=20,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    rope_theta=5000.0,
    rms_norm_eps=2e-5,
    tie_word_embeddings=False,
)
LLAMA3 = dict(
    rope_type="llama3",
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
# name: (model_type, settings, type of the stored weights, bytes in a shard)
MODELS = {
    "gpt2": ("gpt2", dict(vocab_size=40, n_embd=16, n_layer=2, n_head=4, n_positions=64), "float32", None),
    "llama": ("llama", SMALL | dict(vocab_size=272, tie_word_embeddings=True), "float32", None),
    "llama3": (
        "llama",
        SMALL | dict(rope_scaling=LLAMA3, attention_bias=True, mlp_bias=True, head_dim=8),
        "bfloat16",
        None,
    ),
    "mistral": ("mistral", SMALL | dict(sliding_window=6, head_dim=4), "float32", "8KB"),
    "qwen2": ("qwen2", SMALL | dict(rope_scaling=dict(rope_type="linear", factor=2.0)), "float16", None),
    "qwen2_window": (
        "qwen2",
        SMALL | dict(use_sliding_window=True, sliding_window=5, max_window_layers=0),
        "float32",
        None,
    ),
    "mixtral": (
        "mixtral",
        SMALL | dict(num_local_experts=4, num_experts_per_tok=2, sliding_window=None, head_dim=4),
        "float32",
        "12KB",
    ),
    "qwen3_moe": (
        "qwen3_moe",
        SMALL
        | dict(
            head_dim=6,
            num_hidden_layers=3,
            num_experts=6,
            num_experts_per_tok=3,
            moe_intermediate_size=8,
            norm_topk_prob=True,
            mlp_only_layers=[0],
        ),
        "bfloat16",
        None,
    ),
    "qwen3": ("qwen3", SMALL | dict(head_dim=6, tie_word_embeddings=True), "float32", None),
}
TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"


def tokenizer():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(alphabet)}
    merges = [("t", "h"), ("th", "e"), ("i", "n"), ("Ġ", "the"), ("a", "n"), ("an", "d"), ("e", "r")]
    for left, right in merges:
        vocabulary[left + right] = len(vocabulary)
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>", "<|user|>", "<|end|>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>", model_max_length=64)
    fast.chat_template = TEMPLATE
    return fast


def greedy(network, prompt, count):
    """Greedy tokens, and that no choice is closer than arithmetic in fp32 could turn."""
    ids = list(prompt)
    for _ in range(count):
        logits = network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]
        first, second = logits.topk(2).values.tolist()
        assert first - second > 1e-4, (first, second)
        ids.append(logits.argmax().item())
    return ids[len(prompt) :]


def make(name, kind, settings, dtype, shard):
    torch.manual_seed(7)
    config = CONFIG_MAPPING[kind](**settings)
    network = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            centre = 1.0 if "norm" in key or ".ln_" in key else 0.0
            width = 0.1 if parameter.dim() == 1 else 0.5
            parameter.copy_(centre * (key.endswith("weight") and parameter.dim() == 1))
            parameter.add_(torch.randn_like(parameter) * width)
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    stored = network.to(getattr(torch, dtype))
    stored.generation_config = GenerationConfig(eos_token_id=3, do_sample=False)
    stored.save_pretrained(folder, **(dict(max_shard_size=shard) if shard else {}))
    network = AutoModelForCausalLM.from_pretrained(
        folder, torch_dtype=torch.float32, attn_implementation="eager"
    ).eval()
    ids = [(5 * i * i + 3 * i + 1) % config.vocab_size for i in range(24)]
    expected = dict(ids=ids)
    if name == "llama":
        fast = tokenizer()
        fast.save_pretrained(folder)
        expected["text"] = "the cat and the <|user|> dine"
        expected["text_ids"] = fast(expected["text"].replace("<|user|>", "in"), add_special_tokens=False).input_ids
    with torch.no_grad():
        logits = network(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        expected["greedy"] = greedy(network, ids[:8], 40)
    last = logits[-8:].reshape(-1).tolist()
    expected["logits_of_last"] = [round(value, 7) for value in last]
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    print(name, sum(f.stat().st_size for f in folder.iterdir()), sorted(f.name for f in folder.iterdir()))


def main():
    for name, (kind, settings, dtype, shard) in MODELS.items():
        make(name, kind, settings, dtype, shard)


if __name__ == "__main__":
    main()
