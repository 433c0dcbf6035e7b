#!/usr/bin/env python3
"""GPT-2's training step in PyTorch, as its users write it: the peer that check.sh compares sextant with.

    python3 peer.py --shard corpus/shard --mode eager --output eager.json
    python3 peer.py --shard corpus/shard --mode compile --output compile.json

bf16 autocast over fp32 weights, scaled_dot_product_attention, fused AdamW, clipping at 1, TF32 where fp32 is
left, a vocabulary padded to 50304; `compile` wraps the model in torch.compile.
Needs PyTorch 2.11 and nothing else.
"""

import argparse
import json
import math
import mmap
import struct
import time

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x):  # [B, T, C]
        b, t, c = x.shape
        q, k, v = (
            part.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for part in self.inputs(x).split(c, 2)
        )
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)  # [B, H, T, D]
        return self.output(y.transpose(1, 2).reshape(b, t, c))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.down(functional.gelu(self.up(self.feed_forward_norm(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, width, heads):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position_embedding = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.final_norm = nn.LayerNorm(width)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                scale = 1 / math.sqrt(2 * layers) if name.endswith(("output.weight", "down.weight")) else 1
                nn.init.normal_(p, std=0.02 * scale)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, tokens, targets):  # [B, T]
        x = self.embedding(tokens) + self.position_embedding.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        logits = functional.linear(self.final_norm(x), self.embedding.weight)  # [B, T, V]
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Shard:
    """Random windows of a Megatron shard: PREFIX.idx says the type of the ids in PREFIX.bin."""

    def __init__(self, prefix, device):
        with open(prefix + ".idx", "rb") as index:
            magic, version, code = struct.unpack("<9sQB", index.read(18))
        if magic != b"MMIDIDX\0\0" or version != 1 or code not in (4, 8):
            raise SystemExit(f"peer.py: {prefix}.idx is no shard of 16 or 32 bit ids")
        with open(prefix + ".bin", "rb") as data:
            mapped = mmap.mmap(data.fileno(), 0, access=mmap.ACCESS_COPY)
        self.ids = torch.frombuffer(mapped, dtype=torch.int16 if code == 8 else torch.int32)
        self.device = device
        self.generator = torch.Generator().manual_seed(1)

    def batch(self, rows, time_steps):
        starts = torch.randint(len(self.ids) - time_steps - 1, (rows,), generator=self.generator)
        window = torch.stack([self.ids[s : s + time_steps + 1] for s in starts.tolist()]).long()
        if self.ids.dtype == torch.int16:  # the file's are unsigned
            window &= 0xFFFF
        if self.device.type == "cuda":
            window = window.pin_memory()
        window = window.to(self.device, non_blocking=True)
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()


def make_optimizer(model, device):
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() == 2], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.dim() != 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=6e-4, betas=(0.9, 0.95), fused=device.type == "cuda")


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def measure(args):
    device = torch.device(args.device)
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("high")
    plain = GPT(args.vocabulary, args.context, args.layers, args.width, args.heads).to(device)
    model = torch.compile(plain) if args.mode == "compile" else plain
    optimizer = make_optimizer(plain, device)
    shard = Shard(args.shard, device)

    def step():
        tokens, targets = shard.batch(args.batch, args.context)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model(tokens, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
        return loss

    started = time.perf_counter()
    first_loss = step().item()
    first_step_seconds = time.perf_counter() - started
    for _ in range(args.warmup - 1):
        step()
    synchronize(device)
    started = time.perf_counter()
    for _ in range(args.steps):
        loss = step()
    synchronize(device)
    elapsed = time.perf_counter() - started
    return {
        "mode": args.mode,
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in plain.parameters()),
        "steps": args.steps,
        "batch": args.batch,
        "context": args.context,
        "tokens_per_second": args.steps * args.batch * args.context / elapsed,
        "step_seconds": elapsed / args.steps,
        "first_step_seconds": first_step_seconds,
        "memory_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else 0,
        "first_loss": first_loss,
        "last_loss": loss.item(),
    }


def main():
    parser = argparse.ArgumentParser(description="GPT-2 training throughput of PyTorch")
    parser.add_argument("--shard", required=True, help="prefix of the .bin and .idx files")
    parser.add_argument("--mode", choices=("eager", "compile"), required=True)
    parser.add_argument("--output", required=True, help="JSON file to write")
    parser.add_argument("--batch", type=int, default=32, help="sequences in a step")
    parser.add_argument("--steps", type=int, default=50, help="measured steps")
    parser.add_argument("--warmup", type=int, default=10, help="steps before the measurement")
    parser.add_argument("--device", default="cuda")
    for name, value in (
        ("vocabulary", 50304),
        ("context", 1024),
        ("layers", 12),
        ("width", 768),
        ("heads", 12),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    result = measure(args)
    with open(args.output, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1)
    print(f"peer {args.mode}: {result['tokens_per_second']:.0f} tokens/s, loss {result['last_loss']:.3f}")


if __name__ == "__main__":
    main()
