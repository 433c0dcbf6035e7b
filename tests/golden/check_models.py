"""Sends models through import, generate and export, and compares them with transformers at every stage: greedy
tokens, their log-probabilities, and the tensors' bits.

    .venv-bench/bin/python tests/golden/check_models.py build/cpu/sextant [MODEL.gguf]

Without a file: a random model of each architecture, made here. With one: that model, against the gguf package's
dequantisation. Needs tests/bench/setup.sh.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import torch
from tokenizers import processors
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from make_gguf import LLAMA_NAMES, renamed, unturned
from make_hugging_face import MODELS, tokenizer

TOKENS = 200
PROMPT = "the cat and the dine"


def sextant(*arguments):
    result = subprocess.run([sys.argv[1], *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, (arguments, result.stderr)
    return result.stdout


def greedy(network, ids, count):
    """Greedy tokens with their log-probabilities, and the smallest lead that one had over the next."""
    made, log_probabilities, lead, past = [], [], float("inf"), None
    tokens = torch.tensor([ids])
    with torch.no_grad():
        for _ in range(count):
            out = network(input_ids=tokens, past_key_values=past, use_cache=True)
            past = out.past_key_values
            row = out.logits[0, -1].double().log_softmax(-1)
            two = row.topk(2)
            lead = min(lead, (two.values[0] - two.values[1]).item())
            made.append(two.indices[0].item())
            log_probabilities.append(two.values[0].item())
            tokens = torch.tensor([[made[-1]]])
    return made, log_probabilities, lead


def compare(name, network, checkpoint, exported, prompt):
    """One model as transformers has it, as our checkpoint generates, and as transformers loads our export."""
    line = sextant(
        "generate", "--checkpoint", checkpoint, "--prompt", prompt, "--tokens", TOKENS, "--temperature", 0,
        "--json", "--ignore-end",
    )
    ours = json.loads(line)
    made, log_probabilities, lead = greedy(network, ours["prompt_ids"], TOKENS)
    worst = max(abs(a - b) for a, b in zip(ours["log_probabilities"], log_probabilities))
    again = AutoModelForCausalLM.from_pretrained(exported, torch_dtype=torch.float32).eval()
    theirs, mine = network.state_dict(), again.state_dict()
    assert theirs.keys() == mine.keys(), theirs.keys() ^ mine.keys()
    bits = max((theirs[key] - mine[key]).abs().max().item() for key in theirs)
    ids = torch.tensor([ours["prompt_ids"] + made])
    with torch.no_grad():
        logits = (network(input_ids=ids).logits - again(input_ids=ids).logits).abs().max().item()
    text = AutoTokenizer.from_pretrained(exported)
    assert text(prompt).input_ids == ours["prompt_ids"]
    same = made == ours["ids"]
    print(
        f"{name:14} {TOKENS} greedy tokens {'equal' if same else 'DIFFER'} (smallest lead {lead:.1e}), "
        f"log-probabilities within {worst:.1e}, exported tensors within {bits:.1e}, logits within {logits:.1e}"
    )
    assert same and worst < 1e-4 and bits < 1e-6 and logits < 1e-4
    return ours["text"]


def check_random(name, work):
    kind, settings, _, _ = MODELS[name]
    settings = dict(settings)
    settings["n_positions" if kind == "gpt2" else "max_position_embeddings"] = 256
    fast = tokenizer()
    if name == "llama3":  # texts begin with a token of their own, as its namesake's do
        fast.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single="<|user|> $A", pair="<|user|> $A $B", special_tokens=[("<|user|>", fast.vocab["<|user|>"])]
        )
    settings |= {"vocab_size": len(fast), "bos_token_id": None, "eos_token_id": None}  # defaults lie outside
    torch.manual_seed(3)
    network = AutoModelForCausalLM.from_config(CONFIG_MAPPING[kind](**settings)).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * (0.1 if weight.dim() == 1 else 0.4))
    network.save_pretrained(work / "source")
    fast.save_pretrained(work / "source")
    sextant("checkpoint", "import", work / "source", "--output", work / "imported")
    sextant("checkpoint", "export", work / "imported", "--output", work / "exported")
    compare(name, network, work / "imported", work / "exported", PROMPT)


def llama_of(path):
    """The model of a GGUF file of llama.cpp's llama, by the gguf package alone."""
    reader = gguf.GGUFReader(path)
    field = lambda key: reader.fields[f"llama.{key}"].contents()
    tensors = {
        tensor.name: torch.from_numpy(gguf.quants.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        for tensor in reader.tensors
    }
    heads, key_heads = field("attention.head_count"), field("attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=tensors["token_embd.weight"].shape[0],
        hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"),
        num_hidden_layers=field("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        max_position_embeddings=field("context_length"),
        rope_theta=field("rope.freq_base"),
        rms_norm_eps=round(field("attention.layer_norm_rms_epsilon"), 9),
        tie_word_embeddings="output.weight" not in tensors,
    )
    network = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for key, weight in network.named_parameters():
            name = renamed(key, LLAMA_NAMES)
            value = tensors[name]
            if name.endswith(("attn_q.weight", "attn_k.weight")):
                count = heads if "attn_q" in name else key_heads
                value = torch.from_numpy(unturned(value.numpy(), count).copy())
            weight.copy_(value)
    return network


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        if len(sys.argv) > 2:
            sextant("checkpoint", "import", sys.argv[2], "--output", scratch / "imported")
            sextant("checkpoint", "export", scratch / "imported", "--output", scratch / "exported")
            prompt = "The capital of France is"
            print(
                compare(
                    pathlib.Path(sys.argv[2]).stem[:14], llama_of(sys.argv[2]), scratch / "imported",
                    scratch / "exported", prompt,
                )
            )
            return
        for name in MODELS:
            (scratch / name).mkdir()
            check_random(name, scratch / name)


if __name__ == "__main__":
    main()
