#!/usr/bin/env python3
"""Writes tensor.bin: what tensor.py returns for committed inputs.

    python3 make_tensor.py            runs the self-checks of tensor.py and writes tensor.bin beside this file
    python3 make_tensor.py --check    ... and compares instead: exit status 0 if tensor.bin is what would be written, else 1

Needs NumPy. Inputs and pruned matrices are the same bytes on every machine. The sums are rounded as NumPy happens to, so
`--check` allows their last digits to differ.

Format, little-endian throughout:

    8 bytes  "SPNMTEN1"
    u32      number of matrices, then each:
               u32 rows, u32 cols, f32 data[rows * cols], row-major
    u32      number of threshold prunings, then each:
               u32 a (which matrix), f32 alpha, u64 seed, u64 stream, u64 row0, u64 col0, f32 out[rows * cols]
    u32      number of fits, then each:      u32 a
    u32      number of analyses, then each:  u32 a, u32 n, u32 m, u32 group
    f64      of each fit: mu, sigma, zeros, a sparsity, the threshold for it (NaN where sigma is not within 0 and 8)
    f64      of each analysis: energy, MVUE variance, approx-MVUE variance (NaN unless n = 2), greedy MSE, squared bias and
             cosine, share of blocks with an entry above the water level, share of zeros
"""
import pathlib
import struct
import sys

import numpy as np

import committed
import tensor
from make_vectors import Source
from oracle import F, PATTERNS

OUTPUT = pathlib.Path(__file__).with_name("tensor.bin")
MATRICES = 6
GROUPS = (1, 2, 5, 64)


def make():
    data = Source(77)
    plain = data.matrix(37, 150)
    wide = data.wide(70 * 131, -6, 6).reshape(70, 131)
    wide[data.below(10, wide.size).reshape(wide.shape) < 3] = 0
    mixed = data.mixture(18, 130, 2, 16)
    ties = (data.below(5, 129 * 19) - 2).astype(F).reshape(129, 19)
    empty = np.zeros((3, 5), F)
    one = np.array([[-0.75]], F)
    matrices = [plain, wide, mixed, ties, empty, one]
    assert len(matrices) == MATRICES
    key = lambda: int(data.words(1)[0]) << 32 | int(data.words(1)[0])

    out = [b"SPNMTEN1", struct.pack("<I", len(matrices))]
    for a in matrices:
        out += [struct.pack("<II", *a.shape), a.astype("<f4").tobytes()]
    prunings = []
    for at, a in enumerate(matrices):
        cases = [(0.7, 12345, 61), (2.5, 2**31 - 200, 2**32 - 200)]
        if at == 2:
            cases += [(0, 0, 7), (1e-44, 1, 64), (3e38, 0, 0)]
        for alpha, row0, col0 in cases:
            seed, stream = key(), key()
            pruned = tensor.prune_threshold(a, alpha, seed, stream, row0, col0)
            prunings.append(struct.pack("<IfQQQQ", at, alpha, seed, stream, row0, col0) + pruned.astype("<f4").tobytes())
    fits = range(len(matrices))
    analyses = [(at, n, m, g) for at in range(len(matrices)) for n, m in PATTERNS for g in GROUPS]
    out += [struct.pack("<I", len(prunings)), *prunings, struct.pack("<I", len(fits))]
    out += [struct.pack("<I", at) for at in fits]
    out += [struct.pack("<I", len(analyses)), *(struct.pack("<IIII", *case) for case in analyses)]
    numbers = []
    for at in fits:
        fit, sparsity = tensor.lognormal_fit(matrices[at]), 0.85
        solved = 0 < fit[1] < 8  # else the formula, as it stands, overflows or divides by zero
        numbers += [*fit, sparsity, tensor.threshold_for_sparsity(*fit, sparsity) if solved else np.nan]
    for at, n, m, g in analyses:
        numbers += tensor.analyse(matrices[at], n, m, g)
    return b"".join(out) + np.array(numbers, "<f8").tobytes()


def same(made, there):
    head = len(made) - 8 * (5 * MATRICES + 8 * MATRICES * len(PATTERNS) * len(GROUPS))
    if len(made) != len(there) or made[:head] != there[:head]:
        return False
    made, there = (np.frombuffer(all[head:], "<f8") for all in (made, there))
    return np.allclose(made, there, rtol=1e-11, atol=1e-13, equal_nan=True)


if __name__ == "__main__":
    sys.exit(committed.main(OUTPUT, "tensor.py", make, tensor.selfcheck, same))
