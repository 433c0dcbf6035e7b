"""Makes alignment.json: pieces of PPO, GRPO and DPO from their definitions, in mpmath with 60 digits, sharing nothing with ours.

Derivatives are central differences with a step of 1e-20, exact beyond what fp64 can show.
"""

import json
import pathlib
import random

import mpmath
from mpmath import exp, log, mpf, sqrt

mpmath.mp.dps = 60
draw = random.Random(7)


def numbers(count, scale=1.0):
    return [draw.uniform(-scale, scale) for _ in range(count)]


def stored(values):
    return [float(x) for x in values]


def mean(values):
    return sum(map(mpf, values)) / len(values)


def slope(function, x):
    step = mpf(10) ** -20
    return (function(mpf(x) + step) - function(mpf(x) - step)) / (2 * step)


def gae_case(length, gamma, lam):
    """Equation 16 as a double sum, not as a recursion."""
    rewards, values = numbers(length), numbers(length)
    after = values[1:] + [0.0]
    deltas = [mpf(r) + mpf(gamma) * n - v for r, v, n in zip(rewards, values, after)]
    advantages = [sum((mpf(gamma) * mpf(lam)) ** k * deltas[t + k] for k in range(length - t)) for t in range(length)]
    return {"rewards": rewards, "values": values, "gamma": gamma, "lambda": lam, "advantages": stored(advantages)}


def group_case(group, groups):
    scores, relative, left_out = numbers(group * groups, 3), [], []
    for begin in range(0, len(scores), group):
        row = scores[begin:begin + group]
        deviation = sqrt(sum((mpf(x) - mean(row)) ** 2 for x in row) / (group - 1))
        relative += [(mpf(x) - mean(row)) / (deviation + mpf("1e-4")) for x in row]
        left_out += [mpf(row[i]) - mean(row[:i] + row[i + 1:]) for i in range(group)]
    return {"scores": scores, "group": group, "relative": stored(relative), "leave_one_out": stored(left_out)}


def divergence_case():
    """The estimators on every token of a small vocabulary, and the divergence that k1 and k3 have as their mean."""
    def probabilities():
        weights = [exp(x) for x in numbers(6, 2)]
        return [w / sum(weights) for w in weights]
    policy, reference = probabilities(), probabilities()
    ratios = [log(p / q) for p, q in zip(policy, reference)]
    return {"probabilities": stored(policy), "log_ratios": stored(ratios),
            "k2": stored(x * x / 2 for x in ratios), "k3": stored(q / p - 1 - log(q / p) for p, q in zip(policy, reference)),
            "kl": float(sum(p * log(p / q) for p, q in zip(policy, reference)))}


def whitening_case(count):
    x = numbers(count, 5)
    variance = mean([(mpf(v) - mean(x)) ** 2 for v in x])
    white = [(mpf(v) - mean(x)) / sqrt(variance + mpf("1e-8")) for v in x]
    return {"numbers": x, "white": stored(white)}


def policy_case(count, clip):
    now, before, advantages = numbers(count), numbers(count), numbers(count, 2)
    def loss(i):
        def of(x):
            ratio, a = exp(x - mpf(before[i])), mpf(advantages[i])
            return -min(a * ratio, a * min(max(ratio, 1 - mpf(clip)), 1 + mpf(clip)))
        return of
    return {"now": now, "before": before, "advantages": advantages, "clip": clip,
            "losses": stored(loss(i)(mpf(now[i])) for i in range(count)),
            "slopes": stored(slope(loss(i), now[i]) for i in range(count))}


def value_case(count, clip):
    values, before, returns = numbers(count), numbers(count), numbers(count)
    def loss(i):
        def of(x):
            near = mpf(before[i]) + min(max(x - mpf(before[i]), -mpf(clip)), mpf(clip))
            return max((x - mpf(returns[i])) ** 2, (near - mpf(returns[i])) ** 2) / 2
        return of
    return {"values": values, "before": before, "returns": returns, "clip": clip,
            "losses": stored(loss(i)(mpf(values[i])) for i in range(count)),
            "slopes": stored(slope(loss(i), values[i]) for i in range(count))}


def divergence_loss_case(count):
    """k2 and k3 of a token's probability now against the reference's, as losses."""
    now, reference = numbers(count, 2), numbers(count, 2)
    def k2(i):
        return lambda x: (x - mpf(reference[i])) ** 2 / 2
    def k3(i):
        return lambda x: exp(mpf(reference[i])) / exp(x) - 1 - log(exp(mpf(reference[i])) / exp(x))
    case = {"log_ratios": stored(mpf(a) - mpf(b) for a, b in zip(now, reference))}
    for name, loss in (("k2", k2), ("k3", k3)):
        case[name] = {"losses": stored(loss(i)(mpf(now[i])) for i in range(count)),
                      "slopes": stored(slope(loss(i), now[i]) for i in range(count))}
    return case


def preference_case(form, beta, smoothing, margin, count):
    """Losses of pairs by how far the answers' log-probabilities moved from the reference's; derivatives by the better's."""
    better, worse = numbers(count, 4), numbers(count, 4)
    def sigmoid(x):
        return 1 / (1 + exp(-x))
    def loss(i):
        def of(x):
            gap = x - mpf(worse[i])
            if form == "ipo":
                return (gap - 1 / (2 * mpf(beta))) ** 2
            logit = mpf(beta) * gap - mpf(margin)
            return -(1 - mpf(smoothing)) * log(sigmoid(logit)) - mpf(smoothing) * log(sigmoid(-logit))
        return of
    return {"form": form, "beta": beta, "smoothing": smoothing, "margin": margin, "better": better, "worse": worse,
            "losses": stored(loss(i)(mpf(better[i])) for i in range(count)),
            "slopes": stored(slope(loss(i), better[i]) for i in range(count))}


def wilson_case(share, trials):
    """The two shares whose normal test just does not reject the one that was seen, as roots of its equation."""
    z2 = (mpmath.sqrt(2) * mpmath.erfinv(mpf("0.95"))) ** 2
    p, n = mpf(share), mpf(trials)
    low, high = sorted(mpmath.polyroots([1 + z2 / n, -2 * p - z2 / n, p * p], extraprec=200), key=lambda x: x.real)
    return {"share": share, "trials": trials, "low": float(low.real), "high": float(high.real)}


def hinge_case(features, pairs, steps, rate, decay, margin):
    """AdamW over the mean hinge of all pairs, from zeros; plain Python, full precision."""
    better = [numbers(features) for _ in range(pairs)]
    worse = [numbers(features) for _ in range(pairs)]
    base = numbers(pairs, 0.5)
    weights, mean, square = ([mpf(0)] * features for _ in range(3))
    b1, b2 = mpf("0.9"), mpf("0.999")
    leads = lambda: [mpf(b0) + sum(w * (mpf(x) - mpf(y)) for w, x, y in zip(weights, b, o))
                     for b0, b, o in zip(base, better, worse)]
    for step in range(1, steps + 1):
        behind = [margin - lead > 0 for lead in leads()]
        gradient = [-sum(mpf(b[f]) - mpf(o[f]) for b, o, on in zip(better, worse, behind) if on) / pairs
                    for f in range(features)]
        mean = [b1 * m + (1 - b1) * g for m, g in zip(mean, gradient)]
        square = [b2 * v + (1 - b2) * g * g for v, g in zip(square, gradient)]
        weights = [w * (1 - mpf(rate) * mpf(decay)) - mpf(rate) * m / (1 - b1 ** step) /
                   (sqrt(v / (1 - b2 ** step)) + mpf("1e-8")) for w, m, v in zip(weights, mean, square)]
    return {"better": better, "worse": worse, "base": base, "steps": steps, "learning_rate": rate, "weight_decay": decay,
            "margin": margin, "weights": stored(weights), "loss": float(mean_hinge(leads(), margin))}


def mean_hinge(leads, margin):
    return mean([max(mpf(0), margin - lead) for lead in leads])


golden = {
    "made_by": "make_alignment.py, mpmath " + mpmath.__version__,
    "advantages": [gae_case(1, 1, 0.95), gae_case(7, 1, 0.95), gae_case(9, 0.9, 0.8), gae_case(5, 0.99, 0),
                   gae_case(5, 1, 1)],
    "groups": [group_case(2, 3), group_case(4, 2)],
    "divergence": divergence_case(),
    "whitening": whitening_case(11),
    "policy": policy_case(24, 0.2),
    "value": value_case(24, 0.2),
    "divergence_loss": divergence_loss_case(12),
    "preferences": [preference_case("sigmoid", 0.1, 0, 0, 9), preference_case("sigmoid", 0.5, 0.1, 0.25, 9),
                    preference_case("ipo", 0.2, 0, 0, 9)],
    "hinge": hinge_case(3, 12, 60, 0.05, 0.05, 1),
    "wilson": [wilson_case(*each) for each in ((0.0, 5), (1.0, 5), (0.3, 20), (0.5, 12), (0.05, 100), (1 / 3, 3))],
}
(pathlib.Path(__file__).parent / "alignment.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")
