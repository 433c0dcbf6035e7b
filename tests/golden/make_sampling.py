"""Which ids survive temperature, top-k and top-p, and with what probability.

Needs torch 2.11.0, transformers 4.57.6. Run: python3 tests/golden/make_sampling.py
Order: logits / temperature, then the k largest, then the fewest of these whose probabilities, renormalised,
reach p (the one that crosses p stays). 0 turns top-k off, 1 turns top-p off. The rule is written out here;
transformers' warpers must agree.
"""

import math

import torch
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from reference import made_by, unit, write

LOGITS = [round(4 * unit(30, i), 6) for i in range(16)]
CASES = [
    (1.0, 0, 1.0),
    (0.7, 0, 1.0),
    (1.0, 1, 1.0),
    (1.0, 5, 1.0),
    (1.0, 40, 1.0),
    (1.0, 0, 0.9),
    (1.0, 0, 0.5),
    (1.0, 0, 1e-6),
    (1.8, 0, 0.8),
    (0.8, 6, 0.9),
    (1.3, 10, 0.35),
]


def survivors(temperature, top_k, top_p):
    order = sorted(range(len(LOGITS)), key=lambda i: -LOGITS[i])
    if top_k:
        order = order[:top_k]
    weights = [math.exp((LOGITS[i] - LOGITS[order[0]]) / temperature) for i in order]
    total, reached, kept = math.fsum(weights), 0.0, 0
    while kept < len(order) and (kept == 0 or reached < top_p):
        reached += weights[kept] / total
        kept += 1
    total = math.fsum(weights[:kept])
    return dict(sorted((i, w / total) for i, w in zip(order[:kept], weights[:kept], strict=True)))


def by_transformers(temperature, top_k, top_p):
    scores = TemperatureLogitsWarper(temperature)(None, torch.tensor([LOGITS], dtype=torch.float64))
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    return {i: p for i, p in enumerate(scores.softmax(-1)[0].tolist()) if p > 0}


def make_case(temperature, top_k, top_p):
    kept, theirs = survivors(temperature, top_k, top_p), by_transformers(temperature, top_k, top_p)
    assert kept.keys() == theirs.keys(), (kept, theirs)
    assert all(abs(kept[i] - theirs[i]) < 1e-14 for i in kept)
    return {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "ids": list(kept),
        "probabilities": list(kept.values()),
    }


def main():
    about = (
        "Ids that survive temperature, then top-k, then top-p, rising, with their renormalised probabilities"
    )
    write(
        "sampling.json",
        {
            "about": about,
            "made_by": made_by(__file__),
            "logits": LOGITS,
            "cases": [make_case(*case) for case in CASES],
        },
    )


if __name__ == "__main__":
    main()
