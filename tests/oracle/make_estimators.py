#!/usr/bin/env python3
"""Writes estimators.bin: what the oracle returns for MVUE_APPROX and SOFT_THRESHOLD.

    python3 make_estimators.py            writes estimators.bin beside this file
    python3 make_estimators.py --check    exit status 0 if estimators.bin is what would be written, else 1

The format, the inputs' source and what is needed are those of make_vectors.py, with the methods 3 (MVUE_APPROX, n = 2
alone) and 4 (SOFT_THRESHOLD).
"""

import pathlib
import sys

import numpy as np

import committed
import make_vectors
import oracle
from make_vectors import File, Source
from oracle import PATTERNS

OUTPUT = pathlib.Path(__file__).with_name("estimators.bin")
MVUE_APPROX, SOFT_THRESHOLD = 3, 4
make_vectors.METHODS |= {MVUE_APPROX: oracle.mvue_approx, SOFT_THRESHOLD: oracle.soft_threshold}


def make():
    file = File()
    seeds = Source(0xE571)

    def key():
        high, low = (int(w) for w in seeds.words(2))
        return high << 32 | low

    for m in sorted({m for _, m in PATTERNS}):
        kept = [n for n, other in PATTERNS if other == m]
        data = Source(0xE0 + m)
        # Every kind of group, in enough rows and groups for vectors of either and what is left over; then tails alone.
        mixed = file.matrix(data.mixture(18, 18 * m + m // 2 + (m > 2), kept[-1], m))
        narrow = [file.matrix(data.mixture(rows, cols, kept[0], m)) for rows, cols in [(17, 1), (1, m - 1), (35, m + 1)]]
        a = file.matrix(data.mixture(9, 37, kept[0], m))
        b, c = file.matrix(data.matrix(37, 19)), file.matrix(data.matrix(9, 19))
        for n in kept:
            for method in (MVUE_APPROX, SOFT_THRESHOLD):
                if method == MVUE_APPROX and n != 2:
                    continue
                file.compression("mixed", n, m, method, mixed, key(), key())
                for tail in narrow:
                    file.compression("narrow", n, m, method, tail, key(), key(), 5, 3 * m)
                file.product("mixed", n, m, method, -0.5, 1, a, b, c, key(), key(), 3, 64 * m)
        if 2 in kept:
            # Long enough for whole draws of the generator (64 groups) and a part before and after.
            long = file.matrix(data.matrix(2, 135 * m - 1))
            file.compression("long", 2, m, MVUE_APPROX, long, 7, 3)
            file.compression("shard across 64, 128, 192 groups", 2, m, MVUE_APPROX, long, key(), key(), 12345, 61 * m)
            file.compression("last shard", 2, m, MVUE_APPROX, long, key(), key(), 2**31 - 2, (2**32 - 135) * m)
            # Sums of a few subnormals, of which the definition can draw the last entry twice.
            rows = np.concatenate([data.group("subnormal", 2, m) for _ in range(17 * 20)]).reshape(17, 20 * m)
            file.compression("subnormal", 2, m, MVUE_APPROX, file.matrix(rows), key(), key())
    return file.bytes()


if __name__ == "__main__":
    sys.exit(committed.main(OUTPUT, "the oracle", make))
