"""Computes statistics-golden.json: figures that the statistics of this crate are held against.

    python3 -m venv venv && venv/bin/pip install scipy==1.17.1 statsmodels==0.15.0 numpy
    venv/bin/python statistics-golden.py > statistics-golden.json

Every figure comes from scipy or statsmodels, or is a textbook formula over scipy's distributions where neither has it (said per operation
in `sources`). Samples are drawn with a fixed seed; only their sums are kept, as a store would keep them.
"""

import json
import sys

import numpy as np
import scipy
import statsmodels
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats import multitest, proportion as prop
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

rng = np.random.default_rng(20261122)
cases = []


def case(op, given, expected):
    cases.append({"id": f"golden-{len(cases) + 1:03}", "op": op, "input": given, "expected": expected})


def pair(bounds):
    return [float(bounds[0]), float(bounds[1])]


for p in [1e-300, 1e-20, 1e-10, 1e-5, 0.001, 0.005, 0.01, 0.025, 0.05, 0.074, 0.075, 0.076, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9,
          0.924, 0.926, 0.95, 0.975, 0.99, 0.995, 0.9999, 1 - 1e-10]:
    case("normalQuantile", {"p": p}, {"z": float(stats.norm.ppf(p))})

for z in [0.0, 0.001, 0.1, 0.5, 1.0, 1.5, 1.7, 1.73, 1.96, 2.5, 3.0, 5.0, 8.0, 12.0, 30.0, 37.0]:
    case("normalTwoSided", {"z": z}, {"p": float(2 * stats.norm.sf(z))})

for t in [0.0, 0.05, 0.7, 1.0, 1.5, 1.74, 1.96, 2.6, 5.0, 9.0, 40.0]:
    for df in [1.0, 1.7, 2.0, 4.5, 10.0, 39.0, 41.0, 99.5, 1000.0, 12345.6, 1e6, 1e8]:
        case("studentTwoSided", {"t": t, "degrees": df}, {"p": float(2 * stats.t.sf(t, df))})

for alpha in [0.2, 0.1, 0.05, 0.025, 0.01, 0.001]:
    for df in [1.0, 2.0, 3.7, 10.0, 58.3, 1000.0, 1e6]:
        case("studentCritical", {"alpha": alpha, "degrees": df}, {"t": float(stats.t.isf(alpha / 2, df))})

for x in [1e-6, 0.01, 0.5, 1.0, 2.9, 3.1, 10.0, 60.0, 300.0]:
    for df in [1, 2, 3, 5, 10, 50, 400]:
        case("chiSquareTail", {"x": x, "degrees": df}, {"p": float(stats.chi2.sf(x, df))})

tables = [
    (100, 1000, 130, 1000), (1, 20, 5, 20), (0, 10, 0, 10), (0, 50, 3, 50), (3, 50, 0, 50), (10, 10, 10, 10), (10, 10, 7, 10),
    (1, 1, 0, 5), (56, 70, 48, 80), (9, 10, 3, 10), (250000, 5000000, 251000, 5000000), (5000, 100000, 9, 100), (7, 34, 1, 34),
]
for _ in range(25):
    n1, n2 = (int(10 ** rng.uniform(1, 6)) for _ in range(2))
    rate = rng.uniform(0.001, 0.999)
    tables.append((int(rng.binomial(n1, rate)), n1, int(rng.binomial(n2, min(0.999, rate * rng.uniform(0.8, 1.25)))), n2))
for index, (c1, n1, c2, n2) in enumerate(tables):
    level = [0.95, 0.8, 0.9, 0.99][index % 4]
    alpha = 1 - level
    given = {"control": [c1, n1], "treatment": [c2, n2], "level": level}
    case("wilson", {"part": c1, "whole": n1, "level": level}, {"interval": pair(prop.proportion_confint(c1, n1, alpha, "wilson"))})
    expected = {"difference": c2 / n2 - c1 / n1}
    expected["interval"] = pair(prop.confint_proportions_2indep(c2, n2, c1, n1, method="newcomb", compare="diff", alpha=alpha))
    if 0 < c1 + c2 < n1 + n2:
        z, p = prop.proportions_ztest([c2, c1], [n2, n1])
        expected |= {"z": float(z), "p": float(p)}
        if c1 > 0 and c2 > 0:
            expected["lift"] = (c2 / n2) / (c1 / n1) - 1
            low, high = prop.confint_proportions_2indep(c2, n2, c1, n1, method="log", compare="ratio", alpha=alpha)
            expected["liftInterval"] = [float(low) - 1, float(high) - 1]
    case("proportions", given, expected)


def sums(x):
    return {"users": len(x), "sum": float(np.sum(x)), "sumSquared": float(np.sum(x * x))}


for index in range(24):
    n1, n2 = (int(10 ** rng.uniform(0.5, 3.5)) for _ in range(2))
    kind = index % 4
    if kind == 0:
        x, y = rng.normal(10, 3, n1), rng.normal(10.5, 6, n2)
    elif kind == 1:
        x, y = rng.poisson(0.7, n1).astype(float), rng.poisson(0.8, n2).astype(float)
    elif kind == 2:
        x, y = rng.lognormal(2, 1, n1) * (rng.random(n1) < 0.3), rng.lognormal(2.1, 1, n2) * (rng.random(n2) < 0.3)
    else:
        x, y = rng.normal(-5, 1, n1), rng.normal(-4.8, 1, n2)
    if np.var(x) + np.var(y) == 0:
        continue
    level = [0.95, 0.8, 0.9, 0.99][index // 4 % 4]
    t = stats.ttest_ind(y, x, equal_var=False)
    compare = CompareMeans(DescrStatsW(y), DescrStatsW(x))
    case("welch", {"control": sums(x), "treatment": sums(y), "level": level}, {
        "difference": float(np.mean(y) - np.mean(x)),
        "t": float(t.statistic),
        "p": float(t.pvalue),
        "interval": pair(compare.tconfint_diff(1 - level, usevar="unequal")),
        "controlInterval": pair(DescrStatsW(x).tconfint_mean(1 - level)),
    })

# A mean of values of which users have several: the slope of a regression through the origin, weighted by 1 / number of values, is the ratio
# of sums; its heteroscedasticity-robust (HC1) variance, with users as observations, is that of the delta method. Users without values only
# count towards the number of users.
for index in range(8):
    users = int(10 ** rng.uniform(1, 3))
    values = rng.poisson(1.5, users)
    level = rng.lognormal(1, 0.5, users)
    total = np.array([np.sum(rng.normal(level[u], 1.0, values[u])) for u in range(users)])
    keep = values > 0
    fit = sm.WLS(total[keep], values[keep].astype(float), weights=1 / values[keep]).fit(cov_type="HC0")
    # HC0 has no small-sample factor; the factor n / (n - 1) counts all users, as those without values have residual zero.
    error = float(fit.bse[0]) * np.sqrt(users / (users - 1))
    case("meanOfValues", {
        "users": users, "sum": float(np.sum(total)), "sumSquared": float(np.sum(total**2)), "values": int(np.sum(values)),
        "valuesSquared": float(np.sum(values.astype(float) ** 2)), "sumValues": float(np.sum(total * values)),
    }, {"mean": float(fit.params[0]), "standardError": error})

for size in [1, 2, 3, 4, 6, 9]:
    for _ in range(2):
        p = [float(v) for v in rng.uniform(0, 1, size) ** 3]
        case("holm", {"p": p}, {"adjusted": [float(v) for v in multitest.multipletests(p, method="holm")[1]]})
case("holm", {"p": [0.01, 0.01, 0.04]}, {"adjusted": [float(v) for v in multitest.multipletests([0.01, 0.01, 0.04], method="holm")[1]]})


def sample_size(p1, effect, level, power):
    p2 = p1 * (1 + effect)
    mean = (p1 + p2) / 2
    z = stats.norm.isf((1 - level) / 2) + stats.norm.ppf(power)
    return int(np.ceil(2 * mean * (1 - mean) * z**2 / (p2 - p1) ** 2))


for given in [(0.05, 0.1, 0.95, 0.8), (0.1, 0.05, 0.95, 0.8), (0.05, 0.1, 0.95, 0.5), (0.05, 0.1, 0.95, 0.9), (0.05, 0.2, 0.8, 0.8),
              (0.05, 0.2, 0.99, 0.95), (0.3, -0.1, 0.95, 0.8), (0.5, 0.9, 0.9, 0.8), (0.02, 0.01, 0.95, 0.8), (0.1, 0.1, 0.975, 0.7)]:
    p1, effect, level, power = given
    case("requiredSampleSize", {"baseline": p1, "effect": effect, "level": level, "power": power}, {"users": sample_size(*given)})

for p1, effect, level, n1, n2 in [(0.05, 0.1, 0.95, 31235, 31235), (0.1, 0.2, 0.9, 1000, 4000), (0.3, -0.1, 0.95, 500, 700),
                                  (0.5, 0.05, 0.99, 20, 30), (0.01, 0.5, 0.95, 100000, 100000)]:
    p2 = p1 * (1 + effect)
    mean = (p1 + p2) / 2
    error = np.sqrt(mean * (1 - mean) * (1 / n1 + 1 / n2))
    power = stats.norm.cdf(abs(p2 - p1) / error - stats.norm.isf((1 - level) / 2))
    case("achievedPower", {"baseline": p1, "effect": effect, "level": level, "control": n1, "treatment": n2}, {"power": float(power)})

for counts, ratios in [([5100, 4900], [0.5, 0.5]), ([3700, 3200, 3100], [0.34, 0.33, 0.33]), ([8, 2], [0.6, 0.4]), ([100, 0], [0.5, 0.5]),
                       ([1, 4], [0.2, 0.8]), ([90, 110, 95, 102, 99, 104], [1 / 6] * 6)]:
    result = stats.chisquare(counts, np.array(ratios) * sum(counts))
    case("srm", {"counts": counts, "ratios": ratios}, {"chiSquared": float(result.statistic), "p": float(result.pvalue)})

document = {
    "source": f"statistics-golden.py with scipy {scipy.__version__}, statsmodels {statsmodels.__version__}",
    "sources": {
        "normalQuantile": "scipy.stats.norm.ppf",
        "normalTwoSided": "2 scipy.stats.norm.sf(z)",
        "studentTwoSided": "2 scipy.stats.t.sf(t, degrees)",
        "studentCritical": "scipy.stats.t.isf(alpha / 2, degrees)",
        "chiSquareTail": "scipy.stats.chi2.sf",
        "wilson": "statsmodels proportion_confint, method wilson (Wilson 1927)",
        "proportions": "statsmodels proportions_ztest (pooled); confint_proportions_2indep, newcomb for the difference (Newcombe 1998, "
                       "method 10) and log for the ratio (Katz 1978), minus 1",
        "welch": "scipy.stats.ttest_ind(equal_var=False); statsmodels CompareMeans.tconfint_diff(usevar=unequal), tconfint_mean",
        "meanOfValues": "statsmodels WLS through the origin with weights 1 / values, HC0 with the factor n / (n - 1)",
        "holm": "statsmodels multipletests, method holm (Holm 1979)",
        "requiredSampleSize": "2 P (1 - P) (z(1 - alpha/2) + z(power))^2 / (p2 - p1)^2, rounded up, over scipy.stats.norm (Fleiss)",
        "achievedPower": "Phi(|p2 - p1| / sqrt(P (1 - P) (1/n1 + 1/n2)) - z(1 - alpha/2)) over scipy.stats.norm",
        "srm": "scipy.stats.chisquare",
    },
    "count": len(cases),
}
sys.stdout.write(json.dumps(document, indent=1)[:-2] + ',\n "cases": [\n  ')
sys.stdout.write(",\n  ".join(json.dumps(entry) for entry in cases) + "\n ]\n}\n")
