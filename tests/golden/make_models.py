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
    MIXTRAL,
    QWEN2,
    QWEN3,
    QWEN3_MOE,
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


def pressure(logits, per_token):
    """Switch's balance loss of each row in each layer times its tokens, and the squared log-sum-exp; both sums."""
    balance, z = 0.0, 0.0
    for layer in logits:
        rows = layer.reshape(ROWS, TIME, -1)
        shares = rows.softmax(-1)
        chosen = torch.zeros_like(shares).scatter(2, rows.topk(per_token, dim=-1).indices, 1.0)
        f = chosen.sum(1) / (TIME * per_token)
        balance = balance + (rows.shape[2] * f * shares.mean(1)).sum() * TIME
        z = z + torch.logsumexp(rows, -1).square().sum()
    return balance, z


def make_balance(name, about, model):
    """Gradients of the sum of losses with weights on balance and z-loss."""
    table = parameter_table(model)
    batch = make_batch(model["vocabulary"], (None, None))
    weights = dict(balance_loss=0.3, z_loss=0.05)
    with wide():
        network = build(model)
        fill(model, network, table)
        seen = []
        for layer in network.model.layers:
            layer.block_sparse_moe.gate.register_forward_hook(lambda module, given, made: seen.append(made))
        losses = token_losses(forward(network, batch), batch)
        balance, z = pressure(seen, model["experts"]["per_token"])
        (losses.sum() + weights["balance_loss"] * balance + weights["z_loss"] * z).backward()
        grads = {n: g.clone() for n, g in gradients(model, network).items()}
    write(
        name,
        dict(
            about=about,
            made_by=made_by(__file__),
            formula=FORMULA,
            model=model | dict(experts=model["experts"] | weights),
            parameters=table,
            batch=batch,
            balance=balance.item(),
            z=z.item(),
            loss_sum=losses.sum().item(),
            gradient_norm=global_norm(grads),
            gradients={n: summary(g) for n, g in sorted(grads.items())},
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
    make("mixtral.json", "Mixtral: 2 of 4 experts in each layer", MIXTRAL)
    make("qwen3_moe.json", "Qwen 3 MoE: 3 of 8 experts, weights as they are; the first layer dense", QWEN3_MOE)
    make_balance("mixtral_balance.json", "Mixtral under load balancing in each row, and z-loss", MIXTRAL)
    make("gpt2.json", "GPT-2: LayerNorm, learned positions, GELU (tanh), biases, tied embeddings", GPT2)


if __name__ == "__main__":
    main()
