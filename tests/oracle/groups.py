#!/usr/bin/env python3
"""Groups of rows that share indices (vector-wise N:M): the definition of their bits, on top of oracle.py.

`group` consecutive rows, from row 0 on, share one set of indices; a last group may have fewer rows. Such a group is
pruned as the one row of its entries' 2-norms (of whether any is not zero, for KEEP), by the functions of oracle.py, with
the random words of its first row; then each row takes its entries at the indices that come out, times what became of the
norm over that norm: x/p for MVUE, x itself for MAGNITUDE and KEEP. group = 1 is oracle.py itself, not this.

    python3 groups.py            runs the self-checks, then writes groups.bin beside this file
    python3 groups.py --check    runs the self-checks; exit status 0 if groups.bin is what would be written

Format of groups.bin, little-endian: "SPNMGRP1", then u32 the number of cases, each:
    u32 n, u32 m, u32 group, u32 method (0 KEEP, 1 MAGNITUDE, 2 MVUE), u64 seed, u64 stream, u64 row0, u64 col0,
    u32 rows, u32 inner, u32 cols, f32 alpha, f32 beta, f32 a[rows * inner], f32 values[rows * groups * n],
    u8 meta[ceil(rows / group) * ceil(groups * n * index_bits / 8)], f32 b[inner * cols], f32 c[rows * cols],
    f32 result[rows * cols] = alpha * pruned(a).b + beta * c
"""
import pathlib
import struct
import sys

import numpy as np

import committed
import oracle
from make_vectors import File, Source
from oracle import F, PATTERNS

OUTPUT = pathlib.Path(__file__).with_name("groups.bin")
KEEP, MAGNITUDE, MVUE = 0, 1, 2
MAX_GROUP = 64
LARGEST = np.finfo(F).max
GROUPS = (2, 3, 4, 7, 8, 16, 64)


# ---------------------------------------------------------------- the definition
def norms(x):
    """The 2-norms of the columns of x [rows, ...], rows <= 64.

    Squares, their sum over the rows, padded with zeros to a power of two, as a balanced tree of neighbours, the square
    root; one binary32 operation at a time. So that no square over- or underflows that counts, a column whose largest
    magnitude is above 2^40 (below 2^-40) is first multiplied by 2^-90 (2^90), and its root by the inverse: both exact
    but for a norm that is not representable (infinite then) or subnormal (rounded once more). The norm of a
    column with one non-zero is its magnitude.
    """
    a = np.abs(np.asarray(x, F))
    pad = np.zeros((MAX_GROUP,) + a.shape[1:], F)
    pad[: len(a)] = a
    most = np.fmax.reduce(pad, 0)
    scale = np.where(most > F(2.0**40), F(2.0**-90), np.where(most < F(2.0**-40), F(2.0**90), F(1)))
    with np.errstate(all="ignore"):
        scaled = (pad * scale).astype(F)
        total = oracle.tree_sum(np.moveaxis((scaled * scaled).astype(F), 0, -1))
        return (np.sqrt(total).astype(F) * (F(1) / scale)).astype(F)


def keep(x, n, r=None):
    """Everything that is not zero, as it is: at most n entries."""
    assert ((x != 0).sum(-1) <= n).all()
    at = [np.full(x.shape[:-1], F(k + 0.5)) for k in range(n)]
    index = oracle._pick(oracle._prefix((x != 0).astype(F)), at, x.shape[-1], n)
    kept = np.take_along_axis(x, index, -1)
    return np.where(kept == 0, F(0), kept), index


METHODS = {KEEP: keep, MAGNITUDE: oracle.magnitude, MVUE: oracle.mvue}


def prune(x, n, method, r):
    """x [rows, ..., m]: the blocks of one group of rows; r [...]: its words. -> values [rows, ..., n], index [..., n]."""
    x = np.asarray(x, F)
    worth = (x != 0).any(0).astype(F) if method == KEEP else norms(x)
    became, index = METHODS[method](worth, n, r)
    was = np.take_along_axis(worth, index, -1)
    with np.errstate(all="ignore"):
        # 1 where the norm is kept as it is, tau / norm below the water level; NaN poisons. Never infinite.
        factor = np.where(became > 0, np.minimum((became / was).astype(F), LARGEST), became).astype(F)
        kept = np.take_along_axis(x, np.broadcast_to(index, x.shape[:-1] + (n,)), -1)
        values = np.where(kept == 0, F(0), (kept * factor).astype(F))
    return np.where(np.isnan(factor), F(np.nan), values).astype(F), index


def compress(a, n, m, group, method=MVUE, seed=0, stream=0, row0=0, col0=0):
    """A [rows, cols] -> values [rows, groups*n], index [ceil(rows/group), groups, n]; row0 a multiple of group."""
    assert row0 % group == 0 and col0 % m == 0
    blocks = oracle.blocks_of(np.asarray(a, F), m)
    rows, groups, _ = blocks.shape
    values = np.zeros((rows, groups, n), F)
    index = np.zeros((-(-rows // group), groups, n), np.int64)
    for i in range(0, rows, group):
        words = oracle.random_words(seed, stream, row0 + i, col0 // m + np.arange(groups))
        values[i : i + group], index[i // group] = prune(blocks[i : i + group], n, method, words)
    return values.reshape(rows, groups * n), index


def every_row(index, group, rows):
    """The indices of each row, for what takes no groups: oracle.decompress, oracle.gemm."""
    return np.repeat(index, group, 0)[:rows]


# ---------------------------------------------------------------- self-checks
def selfcheck():
    rng = np.random.default_rng(7)
    # Norms: one entry comes back exactly; no scale loses them; the tree's order.
    for exponent in (-149, -140, -120, -60, -41, -40, 0, 40, 41, 100, 127):
        one = np.zeros((5, 3), F)
        one[2] = np.array([1, 1.5, 1.25]) * 2.0**exponent
        assert (norms(one) == np.abs(one[2])).all(), exponent
        x = (rng.standard_normal((37, 50)) * 2.0 ** min(exponent, 120)).astype(F)
        want = np.sqrt((x.astype(np.float64) ** 2).sum(0))
        assert np.allclose(norms(x), want, rtol=1e-6, atol=2.0**-149), exponent
    assert norms(np.full((64, 1), 2.0**64, F))[0] == 2.0**67
    assert np.isinf(norms(np.full((2, 1), LARGEST)))[0] and np.isnan(norms(np.array([[1], [np.nan]], F)))[0]
    x = np.array([2.0**12, 1, 1, 1], F)[:, None]  # (2^24 + 1) + (1 + 1): the first 1 is lost, the pair is not
    assert norms(x)[0] == np.sqrt(F(2.0**24 + 2))

    # MVUE: unbiased entry by entry, inclusion frequencies, and the closed form of the variance.
    t = 60_000
    for n, m in PATTERNS:
        for rows in (2, 5):
            x = (np.exp(rng.standard_normal((rows, m))) * rng.choice([-1, 1], (rows, m))).astype(F)
            p = oracle._inclusion(norms(x)[None], n)[0]
            r = rng.integers(0, 2**32, t, dtype=np.uint32)
            values, index = prune(np.broadcast_to(x[:, None], (rows, t, m)), n, MVUE, r)
            dense = np.zeros((rows, t, m))
            np.put_along_axis(dense, np.broadcast_to(index, values.shape), values.astype(np.float64), -1)
            bound = 6 * dense.std(1) / np.sqrt(t) + 1e-5 * np.abs(x).sum()
            assert (np.abs(dense.mean(1) - x) <= bound).all(), (n, m, rows)
            assert np.abs((dense != 0).any(0).mean(0) - p).max() < 0.012, (n, m, rows)
            variance = (x.astype(np.float64) ** 2 * (1 / p - 1)).sum()
            got = ((dense - x[:, None]) ** 2).sum((0, 2)).mean()
            assert np.isclose(got, variance, rtol=0.05, atol=1e-6), (n, m, rows, got, variance)

    a = rng.standard_normal((11, 40)).astype(F)
    for n, m in PATTERNS:
        # A group of one row that is positive: oracle.py. Its norms are its entries.
        mine, theirs = compress(np.abs(a), n, m, 1), oracle.compress(np.abs(a), n, m)
        for got, want in zip(mine, theirs):
            assert np.allclose(got, want, rtol=1e-6)
        # KEEP of what was pruned is what was pruned; a shard is a part of the whole; poison.
        for method in (MAGNITUDE, MVUE):
            v, i = compress(a, n, m, 4, method, 3, 5, 8, 0)
            dense = oracle.decompress(v, every_row(i, 4, 11), m, 40)
            again = compress(dense, n, m, 4, KEEP)
            assert (again[0] == v).all() and (again[1] == i).all(), (n, m, method)
            shard = compress(a[4:, 16:], n, m, 4, method, 3, 5, 12, 16)
            assert (shard[1] == i[1:, 16 // m :]).all() and (shard[0] == v[4:, 16 // m * n :]).all()
            bad = a.copy()
            bad[5, 1] = np.inf
            v, i = compress(bad, n, m, 4, method)
            assert np.isnan(v[4:8, :n]).all() and not np.isnan(v[:4]).any() and (i[1, 0] == np.arange(n)).all()


# ---------------------------------------------------------------- vectors
def mixture(data, rows, cols, n, m, group):
    """Groups of rows of every kind of entries, some of whose rows are zero, and one row of each kind with another."""
    x = data.mixture(rows, cols, n, m)
    zero = data.below(8, rows) == 0
    x[zero] = np.copysign(F(0), x[zero])
    # Columns that are zero in a whole group: blocks with few non-zeros, and with none.
    for i in range(0, rows, group):
        if data.below(2, 1)[0]:
            x[i : i + group, data.below(3, cols) == 0] = 0
    x[~np.isfinite(x) & (data.below(4, x.size).reshape(x.shape) > 0)] = F(1.5)
    return x


def make():
    out, count = [], 0
    for number, (n, m) in enumerate(PATTERNS):
        for turn, group in list(enumerate(GROUPS))[number % 2 :: 2]:
            data = Source(0x6700 + number * 16 + turn)
            method = (MVUE, MAGNITUDE, MVUE, KEEP, MVUE)[(number + turn) % 5]
            rows, inner, cols = 2 * group + 1 + turn % 3, (3, 5)[number // 2 % 2] * m + turn % m, (3, 17)[number // 2 % 2]
            if group == 64:
                rows, inner = 70, m + 1
            a = mixture(data, rows, inner, n, m, group)
            if method == KEEP:
                v, i = compress(np.nan_to_num(a, nan=1, posinf=2, neginf=2), n, m, group, MAGNITUDE)
                a = oracle.decompress(v, every_row(i, group, rows), m, inner)
                a[np.isnan(a)] = 0
                a[0, a[0] != 0] = np.nan  # KEEP takes it as it is
            seed, stream = int(data.words(1)[0]) << 31, int(data.words(1)[0]) << 17
            at = dict(seed=seed, stream=stream, row0=3 * group, col0=70 * m)
            values, index = compress(a, n, m, group, method, **at)
            alpha, beta = [(F(1), F(0)), (F(1), F(1)), (F(-1.3), F(0.7))][(number + turn) % 3]
            b, c = data.matrix(inner, cols), data.matrix(rows, cols)
            with np.errstate(all="ignore"):
                # What lies past `inner` multiplies nothing, poison neither.
                column = every_row(index, group, rows) + m * np.arange(index.shape[1])[:, None]
                inside = np.where(column.reshape(values.shape) < inner, values, F(0))
                scaled = inside if alpha == 1 else (alpha * inside).astype(F)
                start = np.zeros_like(c) if beta == 0 else (beta * c).astype(F)
                result = oracle.gemm(scaled, every_row(index, group, rows), m, b, start)
            head = struct.pack("<IIIIQQQQIIIff", n, m, group, method, *at.values(), rows, inner, cols, alpha, beta)
            meta = oracle.pack_meta(index, m).tobytes()
            out.append(head + File.floats(a) + File.floats(values) + meta + b"".join(map(File.floats, (b, c, result))))
            count += 1
    return b"SPNMGRP1" + struct.pack("<I", count) + b"".join(out)


if __name__ == "__main__":
    sys.exit(committed.main(OUTPUT, "groups.py", make, selfcheck))
