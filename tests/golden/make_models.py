"""Logits, losses, gradients and greedy continuations of tiny models in fp64, by Hugging Face transformers.

Needs torch 2.11.0, transformers 4.57.6. Run: python3 tests/golden/make_models.py
Checks itself: the gradient against central differences (which would show any step done in 32 bits), and the
logits against transformers' own mixed 32-bit arithmetic.
"""

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

ROWS, TIME = 2, 16


def make_batch(vocabulary, starts):
    """`starts`: for each row, where a second document begins (None: one document a row)."""
    ids = [[(7 * i * i + 3 * i + 11 * row + 1) % vocabulary for i in range(TIME + 1)] for row in range(ROWS)]
    batch = dict(rows=ROWS, time=TIME, tokens=[], targets=[], loss_mask=[], positions=[], documents=[])
    for row, start in enumerate(starts):
        batch["tokens"] += ids[row][:-1]
        batch["targets"] += ids[row][1:]
        for t in range(TIME):
            second = start is not None and t >= start
            batch["positions"].append(t - start if second else t)
            batch["documents"].append(int(second))
            batch["loss_mask"].append(0 if start is not None and t == start - 1 else 1)
    return batch


def forward(network, batch):
    """Logits [B, T, V] of the batch; tokens attend to earlier ones of their own document."""
    shape = (ROWS, TIME)
    documents = torch.tensor(batch["documents"]).reshape(shape)
    allowed = (documents[:, :, None] == documents[:, None, :]) & torch.ones(
        TIME, TIME, dtype=torch.bool
    ).tril()
    if network.config.to_dict().get("sliding_window"):
        allowed = allowed & torch.ones(TIME, TIME, dtype=torch.bool).triu(1 - network.config.sliding_window)
    mask = torch.zeros(ROWS, 1, TIME, TIME, dtype=network.dtype)
    mask.masked_fill_(~allowed[:, None], torch.finfo(network.dtype).min)
    return network(
        input_ids=torch.tensor(batch["tokens"]).reshape(shape),
        attention_mask=mask,
        position_ids=torch.tensor(batch["positions"]).reshape(shape),
        use_cache=False,
    ).logits


def token_losses(logits, batch):
    targets = torch.tensor(batch["targets"])
    log_probabilities = torch.log_softmax(logits.reshape(ROWS * TIME, -1), dim=-1)
    return -log_probabilities[torch.arange(ROWS * TIME), targets]


def mean_loss(network, batch):
    mask = torch.tensor(batch["loss_mask"], dtype=network.dtype)
    return (token_losses(forward(network, batch), batch) * mask).sum() / mask.sum()


def check_gradient(model, network, batch):
    """Central differences along a fixed direction through all parameters at once, and through each alone."""
    grads = gradients(model, network)
    parameters = views(model, dict(network.named_parameters()))
    generator = torch.Generator().manual_seed(1)
    directions = {n: torch.randn(p.shape, generator=generator) for n, p in parameters.items()}
    step = 3e-5
    for group in [list(parameters)] + [[name] for name in parameters]:
        measured, at = 0.0, 0
        for place, weight in ((-2, 1), (-1, -8), (1, 8), (2, -1)):  # error of the fourth order in `step`
            with torch.no_grad():
                for name in group:
                    parameters[name].add_(directions[name], alpha=(place - at) * step)
            at = place
            measured += weight * mean_loss(network, batch).item() / (12 * step)
        with torch.no_grad():
            for name in group:
                parameters[name].add_(directions[name], alpha=-at * step)
        expected = sum((grads[n] * directions[n]).sum().item() for n in group)
        assert abs(measured - expected) < 1e-9 * max(1.0, abs(expected)), (group, measured, expected)


def greedy(network, prompt, count):
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(count):
            ids.append(network(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item())
    return dict(prompt=list(prompt), next=ids[len(prompt) :])


def make(name, about, model, starts=(None, None)):
    table = parameter_table(model)
    batch = make_batch(model["vocabulary"], starts)
    with wide():
        network = build(model)
        fill(model, network, table)
        logits = forward(network, batch)
        losses = token_losses(logits, batch)
        mean_loss(network, batch).backward()
        check_gradient(model, network, batch)
        grads = {n: g.clone() for n, g in gradients(model, network).items()}
        fill(model, network, table)
        continuation = greedy(network, batch["tokens"][:4], 8)
    narrow = forward(network.float(), batch)  # turns the weights' own gradients narrow too
    assert (narrow - logits).abs().max() < 1e-4, (narrow - logits).abs().max()
    mask = torch.tensor(batch["loss_mask"], dtype=torch.float64)
    write(
        name,
        dict(
            about=about,
            made_by=made_by(__file__),
            formula=FORMULA,
            model=model,
            parameters=table,
            batch=batch,
            loss_sum=(losses * mask).sum().item(),
            loss_count=int(mask.sum().item()),
            loss_mean=((losses * mask).sum() / mask.sum()).item(),
            gradient_norm=global_norm(grads),
            gradients={n: summary(g) for n, g in sorted(grads.items())},
            greedy=continuation,
            token_loss=dict(shape=[ROWS, TIME], values=losses.tolist()),
            logits=dict(shape=list(logits.shape), values=logits.reshape(-1).tolist()),
        ),
    )


def main():
    make("llama.json", "Llama: RMSNorm, rotary, grouped-query attention, SwiGLU", LLAMA)
    make("llama_tied.json", "Llama whose output layer is the embedding", LLAMA | dict(tied_embeddings=True))
    make(
        "llama_qk_norm.json",
        "Llama with RMSNorm on each query and key head before rotary, as Qwen3",
        LLAMA | dict(qk_norm=True),
    )
    make(
        "llama_documents.json",
        "Two documents in each row: attention and positions start anew at the second",
        LLAMA,
        starts=(6, 11),
    )
    make("qwen2.json", "Qwen 2: biases on queries, keys and values", QWEN2)
    make("qwen3.json", "Qwen 3: norms on queries and keys, heads wider than width / heads", QWEN3)
    make("llama3.json", "Llama 3.1: scaled rotary frequencies; a bias on every linear layer", LLAMA3)
    make("mistral.json", "Mistral: sliding window of 5; rotary frequencies divided by 2", MISTRAL)
    make("mistral_documents.json", "The same with two documents in each row", MISTRAL, starts=(6, 11))
    make("gpt2.json", "GPT-2: LayerNorm, learned positions, GELU (tanh), biases, tied embeddings", GPT2)


if __name__ == "__main__":
    main()
