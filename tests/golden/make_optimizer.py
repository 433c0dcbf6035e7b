"""AdamW, Muon and Adafactor, clipping by global norm, and learning-rate tables, in fp64.

Needs torch 2.11.0, transformers 4.57.6 (for reference.py), numpy 2.x.
Run: python3 tests/golden/make_optimizer.py
The updates are written out in numpy; torch.optim and its schedulers must agree.
"""

import math

import numpy
import torch

from reference import made_by, unit, write

TOP, STEPS, FINAL_FRACTION = 3e-3, 20, 0.1


def adamw(case):
    """The parameter and its moments after each step, by arXiv 1711.05101, algorithm 2."""
    w = numpy.array(case["start"])
    m, v = numpy.zeros_like(w), numpy.zeros_like(w)
    for s, (g, lr) in enumerate(
        zip(map(numpy.array, case["gradients"]), case["learning_rates"], strict=True)
    ):
        m = case["beta1"] * m + (1 - case["beta1"]) * g
        v = case["beta2"] * v + (1 - case["beta2"]) * g * g
        m_hat = m / (1 - case["beta1"] ** (s + 1))
        v_hat = v / (1 - case["beta2"] ** (s + 1))
        w = w - lr * case["weight_decay"] * w - lr * m_hat / (numpy.sqrt(v_hat) + case["epsilon"])
        yield {"weight": w.tolist(), "mean": m.tolist(), "square": v.tolist()}


def check_with_torch(case, after):
    w = torch.nn.Parameter(torch.tensor(case["start"], dtype=torch.float64))
    optimizer = torch.optim.AdamW(
        [w], betas=(case["beta1"], case["beta2"]), eps=case["epsilon"], weight_decay=case["weight_decay"]
    )
    for gradient, lr, expected in zip(case["gradients"], case["learning_rates"], after, strict=True):
        w.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        assert (w - torch.tensor(expected["weight"], dtype=torch.float64)).abs().max() < 1e-14


def adamw_case(**settings):
    """A 3 x 4 tensor, flat, for five steps; gradients span seven orders of magnitude, one is always zero."""

    def gradient(step, i):
        return unit(2 + step, i) * 10.0 ** (1 - i % 8) if i != 5 else 0.0

    case = {
        "shape": [3, 4],
        "start": [unit(1, i) for i in range(12)],
        "gradients": [
            [unit(2 + s, i) * 10.0 ** (1 - i % 8) if i != 5 else 0.0 for i in range(12)] for s in range(5)
        ],
        "learning_rates": [1e-2, 2e-2, 3e-2, 2e-2, 5e-3],
        **settings,
    }
    case["after"] = list(adamw(case))
    check_with_torch(case, case["after"])
    return case


def orthogonalised(matrix):
    """Five Newton-Schulz steps of Muon's quintic."""
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / max(numpy.linalg.norm(x), 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def muon(case):
    w = numpy.array(case["start"]).reshape(case["shape"])
    out, into = case["shape"]
    scale = 0.2 * math.sqrt(max(out, into)) if case["scale"] == "match_adamw" else math.sqrt(max(1, out / into))
    mu, m = case["momentum"], numpy.zeros_like(w)
    for flat, lr in zip(case["gradients"], case["learning_rates"], strict=True):
        g = numpy.array(flat).reshape(case["shape"])
        m = mu * m + (1 - mu) * g
        direction = (1 - mu) * g + mu * m if case["nesterov"] else m
        w = w - lr * case["weight_decay"] * w - lr * scale * orthogonalised(direction)
        yield {"weight": w.ravel().tolist(), "momentum": m.ravel().tolist()}


def check_muon_with_torch(case, after):
    """torch.optim.Muon orthogonalises in bfloat16; here it is made to stay in fp64."""
    w = torch.nn.Parameter(torch.tensor(case["start"], dtype=torch.float64).reshape(case["shape"]))
    optimizer = torch.optim.Muon(
        [w],
        momentum=case["momentum"],
        nesterov=case["nesterov"],
        weight_decay=case["weight_decay"],
        adjust_lr_fn="match_rms_adamw" if case["scale"] == "match_adamw" else "original",
    )
    narrow, torch.Tensor.bfloat16 = torch.Tensor.bfloat16, lambda x: x.clone()
    for gradient, lr, expected in zip(case["gradients"], case["learning_rates"], after, strict=True):
        w.grad = torch.tensor(gradient, dtype=torch.float64).reshape(case["shape"])
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        assert (w.flatten() - torch.tensor(expected["weight"], dtype=torch.float64)).abs().max() < 1e-12
    torch.Tensor.bfloat16 = narrow


def matrix_case(shape, **settings):
    count = math.prod(shape)
    return {
        "shape": shape,
        "start": [unit(30, i) for i in range(count)],
        "gradients": [[unit(31 + s, i) * 10.0 ** (s - 3) for i in range(count)] for s in range(5)],
        "learning_rates": [1e-2, 2e-2, 3e-2, 2e-2, 5e-3],
        "weight_decay": 0.1,
        **settings,
    }


def muon_case(shape, **settings):
    case = matrix_case(shape, momentum=0.95, nesterov=True, scale="match_adamw") | settings
    case["after"] = list(muon(case))
    check_muon_with_torch(case, case["after"])
    return case


def adafactor(case):
    """Shazeer & Stern 2018, algorithms 4 (matrices) and 5 (vectors), without first moment."""
    w = numpy.array(case["start"]).reshape(case["shape"])
    rows = columns = square = 0.0
    for t, (flat, lr) in enumerate(zip(case["gradients"], case["learning_rates"], strict=True), 1):
        g = numpy.array(flat).reshape(case["shape"])
        beta, squared = 1 - t ** -case["square_power"], g * g + 1e-30
        if w.ndim == 2:
            rows = beta * rows + (1 - beta) * squared.mean(1)
            columns = beta * columns + (1 - beta) * squared.mean(0)
            estimate = numpy.outer(rows, columns) / rows.mean()
        else:
            square = beta * square + (1 - beta) * squared
            estimate = square
        step = g / numpy.sqrt(estimate)
        step = step / max(1.0, math.sqrt((step * step).mean()) / case["update_clip"])
        if case["relative_step"]:
            step = step * max(1e-3, math.sqrt((w * w).mean()))
        w = w - lr * case["weight_decay"] * w - lr * step
        after = {"weight": w.ravel().tolist()}
        if w.ndim == 2:
            after |= {"rows": rows.tolist(), "columns": columns.tolist()}
        else:
            after |= {"square": square.tolist()}
        yield after


def check_adafactor_with_torch(case, after):
    """torch's steps are always relative to the weights, and clip at 1 or more."""
    w = torch.nn.Parameter(torch.tensor(case["start"], dtype=torch.float64).reshape(case["shape"]))
    optimizer = torch.optim.Adafactor(
        [w],
        beta2_decay=-case["square_power"],
        eps=(1e-30, 1e-3),
        d=case["update_clip"],
        weight_decay=case["weight_decay"],
    )
    for gradient, lr, expected in zip(case["gradients"], case["learning_rates"], after, strict=True):
        w.grad = torch.tensor(gradient, dtype=torch.float64).reshape(case["shape"])
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        assert (w.flatten() - torch.tensor(expected["weight"], dtype=torch.float64)).abs().max() < 1e-12


def adafactor_case(shape, **settings):
    case = matrix_case(shape, square_power=0.8, update_clip=1.0, relative_step=False) | settings
    case["after"] = list(adafactor(case))
    if case["relative_step"]:
        check_adafactor_with_torch(case, case["after"])
    return case


def clip_case(max_norm):
    tensors = {"a": [3 * unit(20, i) for i in range(12)], "b": [unit(21, i) for i in range(5)]}
    norm = math.sqrt(math.fsum(g * g for values in tensors.values() for g in values))
    scale = max_norm / norm if 0 < max_norm < norm else 1.0
    return {
        "max_norm": max_norm,
        "gradients": tensors,
        "norm": norm,
        "scale": scale,
        "clipped": {name: [g * scale for g in values] for name, values in tensors.items()},
    }


def learning_rate(schedule, s, warmup, decay):
    final = TOP * FINAL_FRACTION
    progress = (s - warmup) / max(1, STEPS - warmup)
    if s < warmup:
        return TOP * (s + 1) / warmup
    if schedule == "cosine":
        return final + (TOP - final) * 0.5 * (1 + math.cos(math.pi * progress))
    if schedule == "linear":
        return TOP + (final - TOP) * progress
    if schedule == "wsd" and s >= STEPS - decay:
        return TOP + (final - TOP) * (s - (STEPS - decay) + 1) / decay
    return TOP


def torch_table(schedule, warmup, decay):
    """The same table out of torch's schedulers: a warm-up, then one that starts at its top."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=TOP)
    after, rates = torch.optim.lr_scheduler, []
    start = STEPS - decay - 1 if schedule == "wsd" else warmup
    ramp = (
        after.LinearLR(optimizer, 1 / warmup, 1.0, warmup - 1)
        if warmup
        else after.ConstantLR(optimizer, 1.0, 1)
    )
    rest = {
        "cosine": lambda: after.CosineAnnealingLR(optimizer, STEPS - warmup, TOP * FINAL_FRACTION),
        "linear": lambda: after.LinearLR(optimizer, 1.0, FINAL_FRACTION, STEPS - warmup),
        "wsd": lambda: after.LinearLR(optimizer, 1.0, FINAL_FRACTION, decay),
        "constant": lambda: after.ConstantLR(optimizer, 1.0, 1),
    }[schedule]()
    both = after.SequentialLR(optimizer, [ramp, rest], [start])
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        both.step()
    return rates


def schedule_case(schedule, warmup=4, decay=6):
    rates = [learning_rate(schedule, s, warmup, decay) for s in range(STEPS)]
    if warmup:
        for ours, theirs in zip(rates, torch_table(schedule, warmup, decay), strict=True):
            assert abs(ours - theirs) < 1e-15, (schedule, ours, theirs)
    return {
        "schedule": schedule,
        "learning_rate": TOP,
        "final_fraction": FINAL_FRACTION,
        "steps": STEPS,
        "warmup_steps": warmup,
        "decay_steps": decay,
        "values": rates,
    }


def main():
    usual = {"beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weight_decay": 0.1}
    write(
        "optimizer.json",
        {
            "about": "AdamW, Muon, Adafactor (one small tensor, five steps), clipping by global norm, "
            "learning-rate tables",
            "made_by": made_by(__file__) | {"numpy": numpy.__version__},
            "adamw": [
                adamw_case(**usual),
                adamw_case(**usual | {"weight_decay": 0.0}),
                adamw_case(**usual | {"epsilon": 1e-2, "beta2": 0.999}),
            ],
            "muon": [
                muon_case([3, 4]),
                muon_case([5, 3]),
                muon_case([4, 4], nesterov=False, weight_decay=0.0),
                muon_case([6, 2], scale="original", momentum=0.9),
            ],
            "adafactor": [
                adafactor_case([3, 4]),
                adafactor_case([5]),
                adafactor_case([5, 3], update_clip=0.5, weight_decay=0.0),
                adafactor_case([4, 3], relative_step=True),
                adafactor_case([6], relative_step=True, square_power=0.5),
            ],
            "clipping": [clip_case(max_norm) for max_norm in (1.0, 2.5, 100.0, 0.0)],
            "schedules": [schedule_case(name) for name in ("cosine", "linear", "wsd", "constant")]
            + [schedule_case(name, warmup=0) for name in ("cosine", "linear", "wsd", "constant")],
        },
    )


if __name__ == "__main__":
    main()
