"""What is said of whole tensors, in NumPy: threshold pruning to the last bit, and the sums to binary64's accuracy.

The bits of the sums follow from an order of additions that src/ops/reduce.rs defines; here they are taken in any order.

    python3 tensor.py            runs the self-checks (some seconds)
"""
from __future__ import annotations

import math

import numpy as np

import groups
from oracle import F, PATTERNS, _inclusion, mvue, philox4x32_10, random_words, unit_interval


# ---------------------------------------------------------------- stochastic threshold pruning (arXiv 2006.08173)
def entry_words(seed, stream, row, col):
    """The 32 random bits of entry (row, col): logical coordinates, whatever the storage. Arrays broadcast.

    One Philox call serves columns c, c+16, c+32, c+48 of one row. The top bit of counter word 0 sets these calls apart from
    those of `random_words`, which stay below 2**30 there. row < 2**31, col < 2**32.
    """
    row, col = np.broadcast_arrays(np.asarray(row, np.uint64), np.asarray(col, np.uint64))
    c0 = np.uint64(1 << 31) | ((col >> np.uint64(6)) << np.uint64(4)) | (col & np.uint64(15))
    words = philox4x32_10(
        (c0, row, np.uint64(stream & 0xFFFFFFFF), np.uint64(stream >> 32)), (seed & 0xFFFFFFFF, seed >> 32)
    )
    return np.choose(((col >> np.uint64(4)) & np.uint64(3)).astype(np.int64), words)


def threshold(x, alpha, r):
    """|x| >= alpha (and NaN) stays; the rest becomes sign(x) alpha with probability |x| / alpha, else +0."""
    x, alpha = x.astype(F), F(alpha)
    kept = (unit_interval(r, 23) * alpha).astype(F) < np.abs(x)
    drawn = np.where(kept, np.copysign(alpha, x), F(0)).astype(F)
    return np.where(np.abs(x) < alpha, drawn, x).astype(F)


def prune_threshold(a, alpha, seed=0, stream=0, row0=0, col0=0):
    rows, cols = a.shape
    at = (row0 + np.arange(rows)[:, None], col0 + np.arange(cols)[None, :])
    return threshold(a, alpha, entry_words(seed, stream, *at))


# ---------------------------------------------------------------- the lognormal model
def lognormal_fit(a):
    """mu, sigma (population) of ln|x| over the entries that are neither zero nor infinite nor NaN; share of zeros."""
    x = np.abs(a.astype(np.float64)).ravel()
    logs = np.log(x[np.isfinite(x) & (x > 0)])
    zeros = (x == 0).mean() if x.size else 0.0
    return (logs.mean(), logs.std(), zeros) if logs.size else (0.0, 0.0, zeros)


def expected_sparsity(s, a):
    """The paper's formula: the share of zeros at threshold a times the median."""
    e, q, l = math.exp(s * s / 2), math.sqrt(2), math.log(a)
    return 0.5 + (e * math.erf(s / q - l / (q * s)) + a * math.erf(l / (q * s)) - e) / (2 * a)


def threshold_for_sparsity(mu, sigma, zeros, sparsity):
    if zeros >= sparsity:
        return 0.0
    target = (sparsity - zeros) / (1 - zeros)
    low, high = math.exp(-8 * sigma), math.exp(sigma * sigma / 2 + 8 * sigma + 8)
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if expected_sparsity(sigma, middle) < target else (low, middle)
    return high * math.exp(mu)


# ---------------------------------------------------------------- the criterion
def water_level(a, n):
    """In binary64: with the k largest above it, the others share n - k places."""
    s = -np.sort(-a, -1)
    tail = np.cumsum(s[:, ::-1], -1)[:, ::-1]
    levels = tail[:, :n] / (n - np.arange(n))
    first = np.argmax(s[:, :n] <= levels, -1)
    return np.take_along_axis(levels, first[:, None], -1)


def _approx_inclusion(a):
    """Of two draws without replacement, each in proportion to a, exactly."""
    p = a / a.sum(-1, keepdims=True)
    m = a.shape[-1]
    second = sum(p[..., j, None] * np.where(np.arange(m) == j, 0, p) / (1 - p[..., j, None]) for j in range(m))
    return p + second


def analyse(a, n, m, group=1):
    """energy, MVUE variance, approx-MVUE variance, greedy MSE, its squared bias, cosine, share of blocks with an entry
    above the water level, share of zeros."""
    x = a.astype(np.float64)
    energy, zeros = (x * x).sum(), (x == 0).mean()
    if not np.isfinite(energy):
        return [energy] + [np.nan] * 6 + [zeros]
    rows, cols = x.shape
    pad = np.zeros((-(-rows // group) * group, -(-cols // m) * m))
    pad[:rows, :cols] = x
    # What a group of rows is pruned by; of one row, the magnitudes.
    blocks = pad.astype(F).reshape(-1, group, pad.shape[1])
    norms = groups.norms(np.moveaxis(blocks, 1, 0)) if group > 1 else np.abs(blocks)
    total = norms.reshape(-1, m)
    with np.errstate(over="ignore"):
        while total.shape[1] > 1:  # as pruning adds them, in binary32
            total = total[:, 0::2] + total[:, 1::2]
    if not np.isfinite(total).all():
        return [energy] + [np.nan] * 6 + [zeros]
    b = norms.reshape(-1, m).astype(np.float64)
    few = (b != 0).sum(-1) <= n
    dense = b[~few]
    level = water_level(dense, n)
    p = np.minimum(1, dense / level)
    variance = lambda p: (dense[dense > 0] ** 2 * (1 / p[dense > 0] - 1)).sum()
    dropped = (np.sort(b, -1)[:, : m - n] ** 2).sum()
    above = (few & (b > 0).any(-1)).sum() + (dense > level).any(-1).sum()
    approx = np.nan if n != 2 else variance(_approx_inclusion(dense)) if len(dense) else 0.0
    cosine = math.sqrt(max(0.0, 1 - dropped / energy)) if energy else 1.0
    return [energy, variance(p), approx, dropped, dropped, cosine, above / len(b), zeros]


# ---------------------------------------------------------------- self-checks
def selfcheck():
    rng = np.random.default_rng(2)
    # Words: no entry has the word of a group, in the same place or another; shards draw what the whole draws.
    rows, cols = np.arange(40)[:, None], np.arange(300)[None, :]
    words = entry_words(7, 3, rows, cols)
    groups = np.concatenate([random_words(7, 3, rows, cols, draw).ravel() for draw in (0, 1)])
    assert len(np.intersect1d(words, groups)) == 0 and len(np.unique(words)) == words.size
    assert (words[5:, 70:] == entry_words(7, 3, rows[5:], cols[:, 70:])).all()
    assert abs(np.corrcoef(words.ravel().astype(float), random_words(7, 3, rows, cols).ravel())[0, 1]) < 5 / math.sqrt(words.size)
    # Threshold pruning: unbiased, frequencies |x| / alpha, the rest as it is.
    x = np.array([0, -0.0, 1e-3, -0.3, 0.999, 1, -1, 2, -7.5, 1e30], F)
    t = 200_000
    out = threshold(np.broadcast_to(x, (t, len(x))), 1.0, rng.integers(0, 2**32, (t, len(x)), dtype=np.uint32))
    p = np.minimum(1, np.abs(x.astype(np.float64)))
    assert (np.abs((out != 0).mean(0) - p) <= 5 * np.sqrt(p * (1 - p) / t)).all()
    assert (out[:, 5:] == x[5:]).all() and set(np.unique(np.abs(out[:, :5]))) <= {0, 1}
    assert not np.signbit(out[:, :2]).any()
    bad = np.array([np.nan, np.inf, -np.inf], F)
    assert np.array_equal(threshold(bad, 3e38, np.zeros(3, np.uint32)), bad, equal_nan=True)
    assert np.array_equal(threshold(x, 0, np.zeros(len(x), np.uint32)).view(np.uint32), x.view(np.uint32))
    # The lognormal model reaches the sparsity it promises.
    for s in (0.5, 2.0, 4.0):
        for z in (0.0, 0.3):
            a = np.exp(s * rng.standard_normal((400, 500)) - 3) * rng.choice([-1, 1], (400, 500))
            a = (a * (rng.random(a.shape) >= z)).astype(F)
            mu, sigma, zeros = lognormal_fit(a)
            assert abs(mu + 3) < 0.02 * s and abs(sigma - s) < 0.02 * s and abs(zeros - z) < 0.005
            alpha = threshold_for_sparsity(mu, sigma, zeros, 0.85)
            assert abs((prune_threshold(a, alpha) == 0).mean() - 0.85) < 0.005, (s, z)
    # Variances: what the estimators' draws scatter by.
    for n, m in PATTERNS:
        x = (np.exp(1.2 * rng.standard_normal((5, m))) * rng.choice([-1, 1], (5, m))).astype(F)
        t = 20_000
        v, i = mvue(np.broadcast_to(x, (t,) + x.shape), n, rng.integers(0, 2**32, (t, 5), dtype=np.uint32))
        dense = np.zeros((t,) + x.shape)
        np.put_along_axis(dense, i, v.astype(np.float64), -1)
        energy, variance, approx, mse, bias, cosine, _, _ = analyse(x, n, m)
        assert np.isclose(((dense - x) ** 2).sum((1, 2)).mean(), variance, rtol=0.06), (n, m)
        order = np.argsort(-np.abs(x), -1)
        greedy = x.astype(np.float64)
        np.put_along_axis(greedy, order[:, n:], 0, -1)
        assert np.isclose(((greedy - x) ** 2).sum(), mse) and mse == bias and mse <= variance
        assert np.isclose((greedy * x).sum() / math.sqrt((greedy**2).sum() * energy), cosine)
        a = np.abs(x).astype(np.float64)
        assert np.allclose(np.minimum(1, a / water_level(a, n)), _inclusion(a, n), rtol=1e-14)
        if n == 2:
            assert variance <= approx * (1 + 1e-12) <= 2.001 * variance
    draws = _approx_inclusion(np.array([[1.0, 2, 3, 4]]))
    assert np.isclose(draws.sum(), 2) and np.isclose(draws[0, 0], 0.1 + 0.1 * (0.2 / 0.8 + 0.3 / 0.7 + 0.4 / 0.6))
    print("tensor: all self-checks hold")


if __name__ == "__main__":
    selfcheck()
