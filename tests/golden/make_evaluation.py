"""Golden values of evaluation: standard errors, tests, calibration, grades (tests/golden/README.md): tests/golden/evaluation.json.

By scipy and numpy, and by Python's own re, string and json where a definition is made of these. Numbers come from integers mixed by SplitMix64.
"""
import collections
import json
import pathlib
import re
import string

import numpy as np
from scipy import special, stats

MASK = (1 << 64) - 1


def mix(x):
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def unit(key, i):
    """In [-1, 1): as golden::unit."""
    return 2.0 * ((mix(((key << 32) + i) & MASK) >> 11) / 9007199254740992.0) - 1.0


def numbers(key, count):
    return [unit(key, i) for i in range(count)]


def statistics():
    values, weights = numbers(1, 60), [2 + unit(2, i) for i in range(60)]
    clusters = [str(int(8 + 8 * unit(3, i)) % 9) for i in range(60)]
    value, weight = np.array(values), np.array(weights)
    # Miller 2024, equation 4, as it is printed: pairs of one cluster.
    off = value - value.mean()
    pairs = sum(off[i] * off[j] for i in range(60) for j in range(60) if i != j and clusters[i] == clusters[j])
    clustered = np.sqrt((off @ off + pairs) / 60**2)
    ratio = value.sum() / weight.sum()
    residual = value - ratio * weight
    ratio_error = np.sqrt(60 * (residual @ residual) / 59) / weight.sum()
    found = stats.bootstrap((value,), np.mean, n_resamples=200000, confidence_level=0.95, method="percentile", random_state=1)
    return {"values": values, "weights": weights, "clusters": clusters, "mean": value.mean(), "error": stats.sem(value), "clustered": clustered,
            "ratio": ratio, "ratio_error": ratio_error, "interval": list(found.confidence_interval)}


def comparison():
    a = [float(unit(4, i) > 0.1) for i in range(80)]
    b = [float(unit(4, i) + 0.7 * unit(5, i) > -0.05) for i in range(80)]
    difference = np.array(b) - np.array(a)
    better, worse = int((difference > 0).sum()), int((difference < 0).sum())
    z = difference.mean() / stats.sem(difference)
    signs = [[k, n, stats.binomtest(k, n).pvalue] for k, n in [(0, 10), (5, 10), (3, 11), (37, 100), (400, 1000), (0, 0)] if n > 0]
    return {"a": a, "b": b, "difference": difference.mean(), "error": stats.sem(difference), "better": better, "worse": worse,
            "sign_p": stats.binomtest(better, better + worse).pvalue, "normal_p": 2 * stats.norm.sf(abs(z)),
            "correlation": stats.pearsonr(a, b)[0], "signs": signs}


def calibration():
    confidences = [0.5 + 0.5 * unit(6, i) for i in range(97)] + [0.1, 0.2, 0.30000000000000004, 1.0, 0.0]
    right = [float(unit(7, i) < 2 * c - 1) for i, c in enumerate(confidences)]
    c, r = np.array(confidences), np.array(right)
    edges = np.linspace(0, 1, 11)
    # Guo et al. 2017: (low, high]; a confidence of 0 counts in the first bin.
    wide = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (c > low) & (c <= high) | ((low == 0) & (c == 0))
        if inside.any():
            wide += inside.mean() * abs(c[inside].mean() - r[inside].mean())
    order = np.argsort(c, kind="stable")
    mass = sum(len(part) / len(c) * abs(c[part].mean() - r[part].mean()) for part in np.array_split(order, 10))
    return {"confidences": confidences, "right": right, "equal_width": wide, "equal_mass": mass}


def choices():
    cases = []
    for case in range(12):
        options = 2 + case % 4
        scores = [-20 + 19 * unit(8, 10 * case + i) for i in range(options)]
        characters = [int(21 + 20 * unit(9, 10 * case + i)) for i in range(options)]
        gold = [case % options] if case % 3 else list(range(1 + case % options))
        probabilities = special.softmax(scores)
        one = np.zeros(options)
        one[gold[0]] = 1
        cases.append({"log_likelihoods": scores, "characters": characters, "gold": gold, "probabilities": list(probabilities),
                      "acc": float(np.argmax(scores) in gold), "acc_norm": float(np.argmax(np.array(scores) / np.array(characters)) in gold),
                      "mc2": probabilities[gold].sum(), "brier": float(((probabilities - one) ** 2).sum())})
    return cases


def normalised(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def f1(said, ideal):
    said, ideal = normalised(said).split(), normalised(ideal).split()
    same = sum((collections.Counter(said) & collections.Counter(ideal)).values())
    return 2 * same / (len(said) + len(ideal)) if same else 0.0


def fuzzy():
    texts = ["The quick, brown fox!", "quick brown fox", "A theatre of the absurd", "theatre absurd", "", "the", "An apple a day", "day", "42", "It's 42.",
             "non-stop", "nonstop", "caf\u00e9 au lait", "Caf\u00e9"]
    cases = []
    for a in texts:
        for b in texts:
            one, other = normalised(a), normalised(b)
            same = one == other if not one or not other else one in other or other in one
            cases.append({"a": a, "b": b, "same": same, "f1": f1(a, b)})
    return cases


def same_json(a, b):
    if a is None or b is None:
        return False
    if isinstance(a, dict) or isinstance(b, dict):
        return isinstance(a, dict) and isinstance(b, dict) and all(same_json(a.get(k), b.get(k)) for k in set(a) | set(b))
    if isinstance(a, list) or isinstance(b, list):
        return isinstance(a, list) and isinstance(b, list) and len(a) == len(b) and all(map(same_json, a, b))
    return a == b


def json_cases():
    texts = ['{"a": 1, "b": [1, 2]}', '{"b": [1, 2.0], "a": 1}', '{"a": 1}', '{"a": 1, "b": null}', "null", "1", "true", "[1]", "[true]", '"1"', "[]", "{}"]
    return [{"a": a, "b": b, "same": same_json(json.loads(a), json.loads(b))} for a in texts for b in texts]


def answers():
    """GSM8K's two filters of lm-evaluation-harness, and its exact match."""
    completions = ["She has 3 + 4 = 7.\n#### 7", "so $1,234.50 it is\n#### $1,234.50", "#### -12,000\n#### 5", "the answer is 18 dollars.", "nothing", "12. 13. 14.",
                   "#### 1,000.", "The price is $ 40 and 2."]
    cases = []
    for text in completions:
        strict = re.findall(r"#### (\-?[0-9\.\,]+)", text)
        flexible = re.findall(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", text)
        first = strict[0].strip() if strict else "[invalid]"
        last = next(part for part in flexible[-1] if part).strip() if flexible else "[invalid]"
        clean = lambda answer: re.sub(r"\.$", "", re.sub(r"(?s).*#### ", "", re.sub(r"\$", "", re.sub(",", "", answer)))).lower()
        cases.append({"completion": text, "strict": first, "flexible": last, "strict_clean": clean(first), "flexible_clean": clean(last)})
    return cases


everything = {"statistics": statistics(), "comparison": comparison(), "calibration": calibration(), "choices": choices(), "fuzzy": fuzzy(), "json": json_cases(),
              "answers": answers()}
path = pathlib.Path(__file__).parent / "evaluation.json"
path.write_text(json.dumps(everything, separators=(",", ":")) + "\n")
