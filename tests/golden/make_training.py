"""Ten training steps of tiny models in fp64: Hugging Face transformers under torch.optim.AdamW.

Needs torch 2.11.0, transformers 4.57.6. Run: python3 tests/golden/make_training.py
Clipping multiplies by max_norm / norm where norm > max_norm. torch.nn.utils.clip_grad_norm_ divides by
norm + 1e-6 instead, so it is not used here.
"""

import math

import torch

from reference import (
    FORMULA,
    GPT2,
    LLAMA,
    LLAMA3,
    MISTRAL,
    QWEN2,
    QWEN3,
    build,
    fill,
    global_norm,
    gradients,
    made_by,
    parameter_table,
    summary,
    views,
    wide,
    write,
)

ROWS, TIME = 4, 16
OPTIMIZER = dict(
    learning_rate=1e-2,
    weight_decay=0.1,
    beta1=0.9,
    beta2=0.95,
    epsilon=1e-8,
    schedule="cosine",
    warmup_steps=3,
    final_fraction=0.1,
    steps=10,
)


def learning_rate(step):
    top, warmup, steps = OPTIMIZER["learning_rate"], OPTIMIZER["warmup_steps"], OPTIMIZER["steps"]
    final = top * OPTIMIZER["final_fraction"]
    if step < warmup:
        return top * (step + 1) / warmup
    return final + (top - final) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def make_batch(step, vocabulary):
    ids = [
        [(5 * i * i + (3 + step % 3) * i + 13 * row + 2 * step + 1) % vocabulary for i in range(TIME + 1)]
        for row in range(ROWS)
    ]
    return dict(tokens=[t for row in ids for t in row[:-1]], targets=[t for row in ids for t in row[1:]])


def loss_of(network, batch):
    logits = network(input_ids=torch.tensor(batch["tokens"]).reshape(ROWS, TIME), use_cache=False).logits
    return torch.nn.functional.cross_entropy(logits.reshape(ROWS * TIME, -1), torch.tensor(batch["targets"]))


def train(model, network, clip):
    parameters = list(network.parameters())
    groups = [
        dict(params=[p for p in parameters if p.dim() == 2], weight_decay=OPTIMIZER["weight_decay"]),
        dict(params=[p for p in parameters if p.dim() != 2], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(
        groups, lr=1.0, betas=(OPTIMIZER["beta1"], OPTIMIZER["beta2"]), eps=OPTIMIZER["epsilon"]
    )
    for step in range(OPTIMIZER["steps"]):
        batch = make_batch(step, model["vocabulary"])
        optimizer.zero_grad()
        loss = loss_of(network, batch)
        loss.backward()
        norm = global_norm(gradients(model, network))
        if norm > clip:
            for p in parameters:
                p.grad.mul_(clip / norm)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        yield batch | dict(step=step, loss=loss.item(), grad_norm=norm, learning_rate=learning_rate(step))


def make(name, about, model, clip):
    table = parameter_table(model)
    with wide():
        network = build(model)
        fill(model, network, table)
        steps = list(train(model, network, clip))
        after = loss_of(network, make_batch(0, model["vocabulary"])).item()
        final = views(model, dict(network.named_parameters()))
    write(
        name,
        dict(
            about=about,
            made_by=made_by(__file__),
            formula=FORMULA,
            model=model,
            optimizer=OPTIMIZER | dict(grad_clip=clip),
            batch_shape=[ROWS, TIME],
            parameters=table,
            steps=steps,
            loss_on_first_batch_after=after,
            final={n: summary(t) for n, t in sorted(final.items())},
        ),
    )
    print([round(s["loss"], 4) for s in steps], [round(s["grad_norm"], 3) for s in steps], after)


def main():
    about = "Ten steps of AdamW with clipping, warm-up and cosine; loss is the batch's mean before the step"
    make("training_llama.json", about + " (Llama)", LLAMA, clip=1.0)
    make("training_llama3.json", about + " (Llama 3.1)", LLAMA3, clip=1.0)
    make("training_mistral.json", about + " (Mistral)", MISTRAL, clip=1.0)
    make("training_qwen2.json", about + " (Qwen 2)", QWEN2, clip=1.0)
    make("training_qwen3.json", about + " (Qwen 3)", QWEN3, clip=1.0)
    make("training_gpt2.json", about + " (GPT-2, tied; the last steps are not clipped)", GPT2, clip=1.75)


if __name__ == "__main__":
    main()
