#!/usr/bin/env python3
"""The factor of the soft threshold: its definition in NumPy, and soft_threshold.bin, what it returns.

    python3 soft_threshold.py            runs the self-checks and writes soft_threshold.bin beside this file
    python3 soft_threshold.py --check    runs them; exit status 0 if soft_threshold.bin is what would be written, else 1

Format of soft_threshold.bin, little-endian: 8 bytes "SPNMSTS1", u32 number of records, then each:

    u32 n, u32 m, u32 rows, u32 cols, u32 kind, u32 key, f64 scale (NaN: the canonical one)

The matrix of a record is `matrix(rows, cols, kind, key)`, by integer arithmetic that any language has.
"""

import math
import pathlib
import struct
import sys

import numpy as np

import committed
import oracle
from oracle import F, PATTERNS

OUTPUT = pathlib.Path(__file__).with_name("soft_threshold.bin")
SIDE, ACCUMULATORS, CHUNKS, STRETCHES, STRETCH = 64, 16, 256, 16, 64


# ---------------------------------------------------------------- sums in binary64
def tiles(x):
    """x, padded with zeros to whole tiles -> [down, across, SIDE, SIDE]."""
    rows, cols = x.shape
    down, across = -(-rows // SIDE), -(-cols // SIDE)
    padded = np.zeros((down * SIDE, across * SIDE), x.dtype)
    padded[:rows, :cols] = x
    return padded.reshape(down, SIDE, across, SIDE).swapaxes(1, 2)


def ordered_sum(terms):
    """The sum of a matrix of binary64 terms, in the order that src/ops/reduce.rs describes."""
    if terms.size == 0:
        return np.float64(0)
    terms = tiles(terms)
    down, across = terms.shape[:2]
    stretches = min(max(-(-across // STRETCH), 1), STRETCHES)
    tall, wide = -(-down // (CHUNKS // stretches)), -(-across // stretches)
    total = np.float64(0)
    for top in range(0, down, tall):
        for left in range(0, across, wide):
            chunk = terms[top : top + tall, left : left + wide].reshape(-1, ACCUMULATORS)
            # An accumulation is one addition after the other, whatever NumPy makes of a sum.
            sums = np.add.accumulate(np.concatenate([np.zeros((1, ACCUMULATORS)), chunk]), axis=0)[-1]
            while len(sums) > 1:
                sums = sums[0::2] + sums[1::2]
            total = total + sums[0]
    return total


def soft_threshold_scale(w, n, m):
    """beta = <w, S(w)> / <S(w), S(w)>: the factor of least mean squared error for S = soft_threshold; 1 if S(w) = 0."""
    w = np.asarray(w, F)
    values, index = oracle.compress(w, n, m, oracle.soft_threshold)
    pruned = oracle.decompress(values, index, m, w.shape[1]).astype(np.float64)
    with np.errstate(invalid="ignore"):  # what is infinite meets a zero
        along, squares = ordered_sum(w.astype(np.float64) * pruned), ordered_sum(pruned * pruned)
    return np.float64(1) if squares == 0 else along / squares


# ---------------------------------------------------------------- vectors
PLAIN, TIES, EVERY_SCALE, EQUAL, POISONED = range(5)


def matrix(rows, cols, kind, key):
    """Entry e is a function of word(e) = (e * 2654435761 + key) mod 2^32, mixed by two rounds of xorshift-multiply."""
    word = np.arange(rows * cols, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(key) & np.uint64(0xFFFFFFFF)
    for factor in (0x7FEB352D, 0x846CA68B):
        word = (word ^ word >> np.uint64(16)) * np.uint64(factor) & np.uint64(0xFFFFFFFF)
    x = ((word >> np.uint64(8)).astype(np.int64) - 2**23).astype(np.float64) * 2.0**-20
    if kind == TIES:
        x = ((word >> np.uint64(24)) % np.uint64(5)).astype(np.float64) - 2
    elif kind == EVERY_SCALE:
        x = np.ldexp(x, (word & np.uint64(63)).astype(np.int64) - 32)
    elif kind == EQUAL:
        x = np.where(word & np.uint64(1), 0.75, -0.75)
    elif kind == POISONED:
        x[len(x) // 2] = np.inf
    return x.astype(F).reshape(rows, cols)


def make():
    records = []
    for number, (n, m) in enumerate(PATTERNS):
        for kind, rows, cols in [
            (PLAIN, 0, 5), (PLAIN, 1, 1), (PLAIN, 70, 130), (PLAIN, 3, 64 * STRETCH + 77), (PLAIN, 64 * 257, 3),
            (TIES, 33, 200), (EVERY_SCALE, 65, 63), (EVERY_SCALE, 128, 192), (EQUAL, 5, 48), (POISONED, 9, 150),
        ]:  # fmt: skip
            key = 1000 * number + len(records)
            scale = soft_threshold_scale(matrix(rows, cols, kind, key), n, m)
            bits = 0x7FF8 << 48 if np.isnan(scale) else int(np.float64(scale).view(np.uint64))
            records.append(struct.pack("<IIIIIIQ", n, m, rows, cols, kind, key, bits))
    return b"".join([b"SPNMSTS1", struct.pack("<I", len(records)), *records])


def selfcheck():
    rng = np.random.default_rng(3)
    for n, m in PATTERNS:
        w = rng.standard_normal((50, 9 * m)).astype(F)
        values, index = oracle.compress(w, n, m, oracle.soft_threshold)
        pruned = oracle.decompress(values, index, m, w.shape[1]).astype(np.float64)
        beta = soft_threshold_scale(w, n, m)
        # The exact sums, rounded once, and the least squared error: no factor nearby does better.
        along, squares = (math.fsum((x * pruned).ravel()) for x in (w.astype(np.float64), pruned))
        assert abs(beta - along / squares) <= 1e-13 * beta, (n, m)
        error = lambda b: float(((b * pruned - w) ** 2).sum())
        assert error(beta) <= min(error(beta * 0.999), error(beta * 1.001)) and beta >= 1, (n, m)
    assert soft_threshold_scale(np.zeros((3, 8), F), 2, 4) == 1
    assert soft_threshold_scale(np.full((3, 8), -2, F), 2, 4) == 1
    # By hand: 4 3 1 0 -> 3 2 0 0: (12 + 6) / (9 + 4).
    assert soft_threshold_scale(np.array([[4, 3, 1, 0]], F), 2, 4) == 18 / 13
    x = np.arange(200 * 5000, dtype=np.float64).reshape(200, 5000)
    assert ordered_sum(x) == x.size * (x.size - 1) / 2  # integers: exact in any order
    print("soft threshold: all self-checks hold")


if __name__ == "__main__":
    sys.exit(committed.main(OUTPUT, "the definition", make, selfcheck))
