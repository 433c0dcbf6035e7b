"""One training run of the peer: GPT-2 in PyTorch, compiled, as nanoGPT's users write and tune it.

The weights are tied, dropout is 0, attention is PyTorch's fused one, AdamW is fused, gradients are clipped.
Commands come on stdin, so that the driver can let two programs run in turn without compiling again:
`N` trains N steps and answers with the seconds of each as JSON, `memory` with the peak bytes of the process.
"""

import argparse
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, time_, width = x.shape
        q, k, v = self.qkv(self.norm_1(x)).split(width, dim=2)
        q, k, v = (y.view(batch, time_, self.heads, -1).transpose(1, 2) for y in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.mix(y.transpose(1, 2).contiguous().view(batch, time_, width))
        return x + self.down(F.gelu(self.up(self.norm_2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, layers, width, heads, context, vocabulary):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith(("mix.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens, targets):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1))


class Training:
    def __init__(self, options):
        torch.manual_seed(1)
        torch.set_num_threads(options.threads)
        self.model = Gpt(options.layers, options.width, options.heads, options.context, options.vocabulary)
        if options.precision == "all-bf16":
            self.model = self.model.to(torch.bfloat16)
        matrices = [p for p in self.model.parameters() if p.dim() >= 2]
        vectors = [p for p in self.model.parameters() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
            lr=3e-4, betas=(0.9, 0.95), fused=True)
        self.compiled = torch.compile(self.model) if options.compile == "yes" else self.model
        self.autocast = options.precision == "bf16"
        self.shape = (options.batch, options.context)
        self.stream = torch.randint(options.vocabulary, (200_000,))

    def batch(self):
        rows, length = self.shape
        starts = torch.randint(len(self.stream) - length - 1, (rows,))
        tokens = torch.stack([self.stream[s : s + length] for s in starts])
        return tokens, torch.stack([self.stream[s + 1 : s + length + 1] for s in starts])

    def step(self):
        begin = time.perf_counter()
        tokens, targets = self.batch()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast):
            loss = self.compiled(tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        loss.item()
        return time.perf_counter() - begin


def peak_bytes():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("layers", "width", "heads", "context", "vocabulary", "batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--precision", choices=["fp32", "bf16", "all-bf16"], required=True)
    parser.add_argument("--compile", choices=["yes", "no"], default="yes")
    training = Training(parser.parse_args())
    for line in sys.stdin:
        command = line.strip()
        answer = peak_bytes() if command == "memory" else [training.step() for _ in range(int(command))]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
