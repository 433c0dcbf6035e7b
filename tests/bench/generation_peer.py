"""The peer of generation.py: transformers' LlamaForCausalLM with random weights, generating greedily as its users do.

Reads a JSON object a line on stdin: {"batch": 1, "prompt": 64, "tokens": 64}. Answers each with {"seconds", "cpu_seconds"}.
"""
import json
import os
import resource
import sys

compute, cache, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
shape = json.loads(sys.argv[4])
os.environ["OMP_NUM_THREADS"] = str(threads)

import time

import torch
from transformers import CompileConfig, GenerationConfig, LlamaConfig, LlamaForCausalLM

torch.set_num_threads(threads)
torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=shape["vocabulary"], hidden_size=shape["width"], num_hidden_layers=shape["layers"],
    num_attention_heads=shape["heads"], num_key_value_heads=shape["kv_heads"], intermediate_size=shape["ffn_width"],
    max_position_embeddings=shape["context"], rope_theta=shape["rotary_base"], tie_word_embeddings=True,
    rms_norm_eps=1e-5, bos_token_id=None, eos_token_id=None, pad_token_id=0)
model = LlamaForCausalLM(config).eval().to(torch.bfloat16 if compute == "bf16" else torch.float32)


def settings(tokens):
    config = GenerationConfig(do_sample=False, use_cache=True, max_new_tokens=tokens, min_new_tokens=tokens,
                              pad_token_id=0, eos_token_id=None)
    if cache == "compiled":
        config.cache_implementation = "static"
        config.compile_config = CompileConfig(fullgraph=False)
        config.compile_config._compile_all_devices = True
    return config


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    prompts = torch.randint(0, shape["vocabulary"], (order["batch"], order["prompt"]))
    begin, cpu = time.perf_counter(), cpu_seconds()
    with torch.inference_mode():
        made = model.generate(prompts, attention_mask=torch.ones_like(prompts), generation_config=settings(order["tokens"]))
    answer = {"seconds": time.perf_counter() - begin, "cpu_seconds": cpu_seconds() - cpu}
    assert made.shape[1] == order["prompt"] + order["tokens"]
    print(json.dumps(answer), flush=True)
