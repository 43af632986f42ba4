#!/usr/bin/env python3
"""Writes vectors.bin: what the oracle (oracle.py, the definition of the bits) returns for committed inputs.

    python3 make_vectors.py            writes vectors.bin beside this file
    python3 make_vectors.py --check    exit status 0 if vectors.bin is what would be written, else 1

Needs NumPy (`pip install numpy`, any version from 1.22 on). The output is the same bytes on every machine: the
inputs come from the oracle's own Philox by exact arithmetic, never from NumPy's generators or from libm.

Format, little-endian throughout; `text` is a byte of length and as many bytes of ASCII:

    8 bytes  "SPNMVEC1"
    u32      number of matrices, then each:
               u32 rows, u32 cols, f32 data[rows * cols], row-major
    u32      number of compressions, then each:
               text name, u32 n, u32 m, u32 method (1 MAGNITUDE, 2 MVUE), u64 seed, u64 stream, u64 row0, u64 col0,
               u32 a (which matrix), f32 values[rows * groups * n],
               u8 meta[rows * ceil(groups * n * index_bits / 8)]
    u32      number of products, then each:
               text name, u32 n, u32 m, u32 method, u64 seed, u64 stream, u64 row0, u64 col0,
               f32 alpha, f32 beta, u32 a, u32 b, u32 c (which matrices), f32 result[rows * cols]
"""
import pathlib
import struct
import sys

import numpy as np

import committed
import oracle
from oracle import F, PATTERNS

OUTPUT = pathlib.Path(__file__).with_name("vectors.bin")
MAGNITUDE, MVUE = 1, 2
METHODS = {MAGNITUDE: oracle.magnitude, MVUE: oracle.mvue}
TINY = 2.0**-149


class Source:
    """Input data: a sequence of Philox words of its own key."""

    def __init__(self, key):
        self.key, self.position = key, 0

    def words(self, count):
        calls = np.arange(self.position, self.position + -(-count // 4), dtype=np.uint64)
        self.position += len(calls)
        zero = np.zeros_like(calls)
        return np.stack(oracle.philox4x32_10((calls, zero, zero, zero), (self.key, 0)), -1).ravel()[:count]

    def below(self, n, count):
        return (self.words(count).astype(np.uint64) * np.uint64(n) >> np.uint64(32)).astype(np.int64)

    def signs(self, count):
        return 1.0 - 2.0 * self.below(2, count)

    def bell(self, count):
        """Sums of four uniforms: bell-shaped around 0, exact in binary64, rounded once to binary32."""
        u = self.words(4 * count).reshape(count, 4).astype(np.float64).sum(-1)
        return (u * 2.0**-32 - 2.0).astype(F)

    def wide(self, count, low, high):
        """A uniform mantissa times a power of two from low to high - 1, either sign."""
        mantissa = 1.0 + self.words(count).astype(np.float64) * 2.0**-32
        return np.ldexp(self.signs(count) * mantissa, self.below(high - low, count) + low).astype(F)

    def matrix(self, rows, cols):
        return self.bell(rows * cols).reshape(rows, cols)

    def group(self, kind, n, m):
        """One group of m entries of a kind that deserves a test."""
        x = self.bell(m)
        at = int(self.below(m, 1)[0])
        chosen = np.argsort(self.words(m), kind="stable")
        if kind == "lognormal":
            x = self.wide(m, -6, 6)
        elif kind == "sparse":
            x[self.below(10, m) < 6] = 0
        elif kind == "ties":
            x = (self.below(5, m) - 2).astype(F)
        elif kind == "equal":
            x = (self.signs(m) * 0.75).astype(F)
        elif kind == "zeros":
            x = np.copysign(F(0), self.signs(m)).astype(F)
        elif kind == "one":
            x = np.copysign(F(0), self.signs(m)).astype(F)
            x[at] = self.bell(1)[0]
        elif kind == "negative zero":
            x[at] = -0.0
        elif kind == "exactly n":
            x[chosen[n:]] = 0
        elif kind == "n + 1":
            x[chosen[n + 1 :]] = 0
        elif kind == "nan":
            x[at] = np.nan
        elif kind == "infinity":
            x[at] = np.inf * self.signs(1)[0]
        elif kind == "both infinities":
            x[at], x[(at + 1) % m] = np.inf, -np.inf
        elif kind == "subnormal":
            x = (self.signs(m) * self.below(9, m) * TINY).astype(F)
        elif kind == "smallest normal":
            x = (self.signs(m) * (2.0**-126 + (self.below(5, m) - 2) * TINY)).astype(F)
        elif kind == "overflow":
            x = (self.signs(m) * 3e38).astype(F)
        elif kind == "huge":
            x = (self.bell(m).astype(np.float64) * 2.0**122).astype(F)
        elif kind == "every scale":
            x = self.wide(m, -140, 110)
        elif kind == "one dominates":
            x[at] = F(1e6)
        else:
            assert kind == "bell", kind
        return x

    KINDS = (
        "bell", "lognormal", "sparse", "ties", "equal", "zeros", "one", "negative zero", "exactly n", "n + 1", "nan",
        "infinity", "both infinities", "subnormal", "smallest normal", "overflow", "huge", "every scale", "one dominates",
    )  # fmt: skip

    def mixture(self, rows, cols, n, m):
        """Every group of a random kind, the short last one cut off."""
        groups = -(-cols // m)
        kinds = self.below(len(self.KINDS), rows * groups)
        x = np.concatenate([self.group(self.KINDS[k], n, m) for k in kinds])
        return x.reshape(rows, groups * m)[:, :cols].copy()


class File:
    def __init__(self):
        self.matrices, self.compressions, self.products = [], [], []

    def matrix(self, x):
        self.matrices.append(np.ascontiguousarray(x, F))
        return len(self.matrices) - 1

    @staticmethod
    def head(name, n, m, method, seed, stream, row0, col0):
        text = name.encode("ascii")
        return struct.pack(
            f"<B{len(text)}sIIIQQQQ", len(text), text, n, m, method, seed, stream, row0, col0
        )  # fmt: skip

    @staticmethod
    def floats(x):
        """NaNs are written as the canonical quiet one: their payload is no part of the definition."""
        x = np.ascontiguousarray(x, F)
        bits = x.view(np.uint32).copy()
        bits[np.isnan(x)] = 0x7FC00000
        return bits.astype("<u4").tobytes()

    def compression(self, name, n, m, method, a, seed=0, stream=0, row0=0, col0=0):
        values, index = oracle.compress(self.matrices[a], n, m, METHODS[method], seed, stream, row0, col0)
        self.compressions.append(
            self.head(name, n, m, method, seed, stream, row0, col0)
            + struct.pack("<I", a)
            + self.floats(values)
            + oracle.pack_meta(index, m).tobytes()
        )

    def product(self, name, n, m, method, alpha, beta, a, b, c, seed=0, stream=0, row0=0, col0=0):
        values, index = oracle.compress(self.matrices[a], n, m, METHODS[method], seed, stream, row0, col0)
        alpha, beta = F(alpha), F(beta)
        with np.errstate(all="ignore"):
            if alpha != 1:
                values = (alpha * values).astype(F)
            start = self.matrices[c]
            if beta == 0:
                start = np.zeros_like(start)
            elif beta != 1:
                start = (beta * start).astype(F)
            result = oracle.gemm(values, index, m, self.matrices[b], start)
        self.products.append(
            self.head(name, n, m, method, seed, stream, row0, col0)
            + struct.pack("<ffIII", alpha, beta, a, b, c)
            + self.floats(result)
        )

    def bytes(self):
        out = [b"SPNMVEC1", struct.pack("<I", len(self.matrices))]
        for x in self.matrices:
            out += [struct.pack("<II", *x.shape), self.floats(x)]
        for records in (self.compressions, self.products):
            out += [struct.pack("<I", len(records)), *records]
        return b"".join(out)


def make():
    file = File()
    seeds = Source(0x5EED)

    def key():
        high, low = (int(w) for w in seeds.words(2))
        return high << 32 | low

    lengths = sorted({m for _, m in PATTERNS})
    for m in lengths:
        kept = [n for n, other in PATTERNS if other == m]
        data = Source(m)
        # Every kind of group, in enough rows and groups for vectors of either and what is left over.
        mixed = file.matrix(data.mixture(18, 18 * m + m // 2 + (m > 2), kept[-1], m))
        # A tail alone, one row, one column.
        narrow = [file.matrix(data.mixture(rows, cols, kept[0], m)) for rows, cols in [(17, 1), (1, m - 1), (35, m + 1)]]
        # Long enough for whole draws of the generator (64 groups) and a part before and after.
        long = file.matrix(data.matrix(2, 135 * m - 1))
        for n in kept:
            for method in (MAGNITUDE, MVUE):
                file.compression("mixed", n, m, method, mixed, seed=key(), stream=key())
                for a in narrow:
                    file.compression("narrow", n, m, method, a, seed=key(), stream=key(), row0=5, col0=3 * m)
            file.compression("long", n, m, MVUE, long, seed=7, stream=3)
            file.compression("shard across 64, 128, 192 groups", n, m, MVUE, long, key(), key(), 12345, 61 * m)
            file.compression(
                "last shard", n, m, MVUE, long, key(), key(), 2**31 - 2, (2**32 - 135) * m
            )  # fmt: skip

        # Products: the tail of `inner` in the middle of a group, more columns than one vector.
        inner = 4 * m + m // 2 if m > 4 else 37
        shape = (9, inner, 19)
        a = file.matrix(data.mixture(shape[0], inner, kept[0], m))
        plain = file.matrix(data.matrix(shape[0], inner))
        b = file.matrix(data.wide(inner * shape[2], -3, 3).reshape(inner, shape[2]))
        bad = data.matrix(inner, shape[2])
        bad[1, 2], bad[inner - 1, 3], bad[2, 4] = np.nan, np.inf, -0.0
        bad = file.matrix(bad)
        c = file.matrix(data.matrix(shape[0], shape[2]))
        for n in kept:
            for alpha, beta in [(1, 0), (1, 1), (-2.3, 0), (0.3, 1), (1, -0.7), (1.7, 1e-3)]:
                file.product("plain", n, m, MVUE, alpha, beta, plain, b, c, key(), key(), 3, 64 * m)
            file.product("mixed", n, m, MVUE, 1, 0, a, b, c, key(), key())
            file.product("mixed", n, m, MAGNITUDE, -0.5, 1, a, b, c)
            file.product("NaN and infinity in B", n, m, MAGNITUDE, 1, 1, plain, bad, c)
    return file.bytes()


if __name__ == "__main__":
    sys.exit(committed.main(OUTPUT, "the oracle", make))
