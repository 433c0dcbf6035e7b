"""Golden values of scaling fits, by scipy: tests/golden/scaling.json (tests/golden/README.md).

Points are laws with noise from integers mixed by SplitMix64. Fits are the best of many starts of BFGS (scipy.optimize.minimize) in fp64, and
scipy.optimize.curve_fit for the bounded sigmoid.
"""
import itertools
import json
import pathlib

import numpy as np
from scipy.optimize import curve_fit, minimize

MASK = (1 << 64) - 1
DELTA = 1e-3


def mix(x):
    z = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def unit(key, i):
    """In [-1, 1): as golden::unit."""
    return 2.0 * ((mix(((key << 32) + i) & MASK) >> 11) / 9007199254740992.0) - 1.0


def law(parameters, log_x):
    """[points] logarithms of a sum of powers and a constant; log_x is [terms, points]."""
    terms = len(log_x)
    parts = [parameters[t] - parameters[terms + t] * log_x[t] for t in range(terms)]
    if len(parameters) > 2 * terms:
        parts.append(np.full_like(log_x[0], parameters[2 * terms]))
    return np.logaddexp.reduce(parts, axis=0)


def joined(parameters, log_x):
    """Kaplan et al. 2020, equation 1.5: two terms to a power, the second term's exponent 1."""
    first, second, exponent, whole = parameters
    return whole * np.logaddexp(first - exponent * log_x[0], second - log_x[1])


def objective(parameters, log_x, log_y, law=law):
    r = np.abs(law(parameters, log_x) - log_y)
    return np.where(r <= DELTA, r * r / 2, DELTA * (r - DELTA / 2)).sum()


def best(starts, log_x, log_y, law=law):
    found = None
    for start in starts:
        one = minimize(objective, start, args=(log_x, log_y, law), method="BFGS", options={"gtol": 1e-10})
        # Nelder and Mead go where the kinks of Huber's loss stop a gradient by differences.
        if np.isfinite(one.fun) and (found is None or one.fun < found.fun * 1.5):
            one = minimize(objective, one.x, args=(log_x, log_y, law), method="Nelder-Mead",
                           options={"xatol": 1e-10, "fatol": 1e-18, "maxiter": 20000, "maxfev": 20000, "adaptive": True})
            if found is None or one.fun < found.fun:
                found = one
    return {"at": found.x.tolist(), "objective": found.fun}


def chinchilla():
    n, d, y = [], [], []
    for i, (size, ratio) in enumerate(itertools.product(range(8), range(6))):
        n.append(np.log(1e7) + 0.9 * size)
        d.append(n[-1] + np.log(5.0) + 0.8 * ratio)
        clean = np.logaddexp.reduce([6.0 - 0.34 * n[-1], 7.0 - 0.37 * d[-1], np.log(1.7)])
        y.append(clean + 0.004 * unit(11, i))
    log_x, log_y = [np.array(n), np.array(d)], np.array(y)
    starts = itertools.product((0, 10), (0, 10), (0.2, 0.6), (0.2, 0.6), (-0.5, 0.5))
    return {"log_x": [v.tolist() for v in log_x], "log_y": log_y.tolist(), **best(starts, log_x, log_y)}


def kaplan():
    n, d, y = [], [], []
    for i, (size, amount) in enumerate(itertools.product(range(6), range(5))):
        n.append(np.log(2e3) + 1.1 * size)
        d.append(np.log(6e5) + 0.7 * amount)
        y.append(joined((9.0, 19.0, 0.45, 0.21), (n[-1], d[-1])) + 0.004 * unit(16, i))
    log_x, log_y = [np.array(n), np.array(d)], np.array(y)
    starts = itertools.product((7, 10), (17, 20), (0.3, 0.6), (0.15, 0.3))
    return {"log_x": [v.tolist() for v in log_x], "log_y": log_y.tolist(), **best(starts, log_x, log_y, joined)}


def loss():
    c = np.log(1e15) + 0.7 * np.arange(14)
    y = np.logaddexp(4.0 - 0.12 * c, np.log(1.5)) + np.array([0.003 * unit(12, i) for i in range(14)])
    starts = itertools.product((0, 5), (0.05, 0.2, 0.5), (-1.0, 0.0, 0.5))
    return {"log_x": [c.tolist()], "log_y": y.tolist(), **best(starts, [c], y)}


def capability():
    c = np.log(1e18) + 0.9 * np.arange(9)
    y = 3.0 - 0.09 * c + np.array([0.01 * unit(13, i) for i in range(9)])
    return {"log_x": [c.tolist()], "log_y": y.tolist(), **best([(0, 0.1), (3, 0.05)], [c], y)}


def logistic(x, height, middle, slope, floor):
    return height / (1 + np.exp(-slope * (x - middle))) + floor


def sigmoid(key, height, slope, floor, chance, noise):
    x = 0.6 + 0.03 * np.arange(30)
    y = logistic(x, height, 0.85, slope, floor) + np.array([noise * unit(key, i) for i in range(30)])
    p, _ = curve_fit(logistic, np.append(x, 0.0), np.append(y, 1.0), p0=[chance - 1, 0.9, 3, 1],
                     bounds=([-1, 0, 0, 0], [0, np.inf, np.inf, 1]), maxfev=500000, ftol=1e-15, xtol=1e-15, gtol=1e-15)
    squares = ((logistic(np.append(x, 0.0), *p) - np.append(y, 1.0)) ** 2).sum() / 2
    return {"loss": x.tolist(), "accuracy": y.tolist(), "chance": chance, "at": p.tolist(), "half_squares": squares}


if __name__ == "__main__":
    values = {
        "chinchilla": chinchilla(),
        "kaplan": kaplan(),
        "loss": loss(),
        "capability": capability(),
        "sigmoid": sigmoid(14, -0.6, 14, 0.96, 0.25, 0.001),
        "sigmoid_at_bound": sigmoid(15, -0.85, 6, 1.08, 0.25, 0.01),
    }
    path = pathlib.Path(__file__).parent / "scaling.json"
    path.write_text(json.dumps(values, indent=1) + "\n")
    for name, one in values.items():
        print(name, one["at"], one.get("objective", one.get("half_squares")))
