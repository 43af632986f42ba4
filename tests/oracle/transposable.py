#!/usr/bin/env python3
"""The definition of the bits of transposable masks, and transposable.bin: what it returns for committed inputs.

    python3 transposable.py            checks itself, then writes transposable.bin beside this file
    python3 transposable.py --check    exit status 0 if it holds and transposable.bin is what would be written, else 1

Needs NumPy. The output is the same bytes on every machine (see make_vectors.py, whose inputs and tools these are).

Format, little-endian throughout; `text` is a byte of length and as many bytes of ASCII:

    8 bytes  "SPNMTRN1"
    u32      number of cases, then each:
               text name, u32 rows, u32 cols, f32 w[rows * cols], row-major,
               the 2:4 form of the pruned w: f32 values[rows * ceil(cols / 4) * 2], u8 meta[rows * ceil(ceil(cols / 4) / 2)],
               and that of its transpose: the same with rows and cols exchanged
"""
import itertools
import pathlib
import struct
import sys

import numpy as np

import committed
import oracle
from make_vectors import File, Source
from oracle import F

OUTPUT = pathlib.Path(__file__).with_name("transposable.bin")
PAIRS = list(itertools.combinations(range(4), 2))


def masks():
    """[90, 4, 2]: the columns kept in each row, in lexicographic order; two kept in every row and column."""
    rows = np.array(list(itertools.product(PAIRS, repeat=4)))
    columns = np.stack([(rows == j).sum((1, 2)) for j in range(4)], -1)
    return rows[(columns == 2).all(-1)]


def choose(tiles):
    """tiles [..., 4, 4] float32 -> index [..., 4, 2] of the kept columns of each row, poison [...].

    The first mask whose sum of magnitudes is the greatest. A tile whose magnitudes have no finite sum is poisoned and
    takes the first mask.
    """
    a, all_masks = np.abs(tiles), masks()
    with np.errstate(all="ignore"):
        of_row = [(a[..., i, all_masks[:, i, 0]] + a[..., i, all_masks[:, i, 1]]).astype(F) for i in range(4)]
        total = ((of_row[0] + of_row[1]).astype(F) + (of_row[2] + of_row[3]).astype(F)).astype(F)
        poison = ~np.isfinite(oracle.tree_sum(oracle.tree_sum(a)))
    first = np.where(poison, 0, np.argmax(total, -1))
    return all_masks[first], poison


def tiles_of(w):
    """w [rows, cols] -> [tile rows, tile columns, 4, 4], padded with zeros."""
    rows, cols = w.shape
    down, right = -(-rows // 4), -(-cols // 4)
    padded = np.zeros((4 * down, 4 * right), F)
    padded[:rows, :cols] = w
    return padded.reshape(down, 4, right, 4).swapaxes(1, 2)


def transposable(w):
    """w [rows, cols] -> the pruned tiles [tile rows, tile columns, 4, 4], and their masks (True: kept)."""
    tiles = tiles_of(np.asarray(w, F))
    index, poison = choose(tiles)
    mask = np.zeros(tiles.shape, bool)
    np.put_along_axis(mask, index, True, -1)
    kept = np.where(mask & (tiles != 0), tiles, F(0)).astype(F)
    return np.where(mask & poison[..., None, None], F(np.nan), kept).astype(F), mask


def compressed(kept, mask, rows):
    """The 2:4 form of pruned tiles: values [rows, groups * 2], index [rows, groups, 2], of the rows that exist."""
    lines = lambda x: x.swapaxes(1, 2).reshape(4 * x.shape[0], x.shape[1], 4)[:rows]
    kept, mask = lines(kept), lines(mask)
    index = np.argsort(~mask, -1, kind="stable")[..., :2]
    return np.take_along_axis(kept, index, -1).reshape(rows, -1), index


def both_forms(w):
    """The 2:4 forms of the pruned w and of its transpose, by one mask: two pairs of values and index."""
    kept, mask = transposable(w)
    turned = lambda x: x.transpose(1, 0, 3, 2)
    return compressed(kept, mask, w.shape[0]), compressed(turned(kept), turned(mask), w.shape[1])


# ---------------------------------------------------------------- self-checks
def selfcheck():
    # The masks: all bit patterns with two in every row and column, by another enumeration; in order.
    square = lambda bits: np.array([bits >> k & 1 for k in range(16)]).reshape(4, 4)
    by_bits = {b for b in range(1 << 16) if all((square(b).sum(axis) == 2).all() for axis in (0, 1))}
    mine = [sum(1 << (4 * i + j) for i in range(4) for j in rows[i]) for rows in masks()]
    assert len(mine) == 90 and set(mine) == by_bits
    lists = masks().tolist()
    assert lists == sorted(lists) and lists[0] == [[0, 1], [0, 1], [2, 3], [2, 3]]

    rng = np.random.default_rng(2)
    for name, w in {
        "normal": rng.standard_normal((37, 54)),
        "lognormal": np.exp(2 * rng.standard_normal((40, 40))) * rng.choice([-1, 1], (40, 40)),
        "ties": rng.integers(-2, 3, (36, 44)),
        "zeros": np.zeros((9, 9)),
        "one row": rng.standard_normal((1, 9)),
    }.items():
        w = w.astype(F)
        rows, cols = w.shape
        kept, mask = transposable(w)
        assert (mask.sum(-1) == 2).all() and (mask.sum(-2) == 2).all(), name
        # No other mask keeps more, and with exact sums no earlier one keeps as much.
        a = np.abs(tiles_of(w).astype(np.float64))
        sums = np.stack([np.where(square(b), a, 0).sum((-1, -2)) for b in mine], -1)
        chosen = np.where(mask, a, 0).sum((-1, -2))
        assert (chosen >= sums.max(-1) * (1 - 1e-6)).all(), name
        if name in ("ties", "zeros"):
            first = np.array([square(b) for b in mine], bool)[np.argmax(sums, -1)]
            assert (first == mask).all(), name
        # Both forms are of one pruned matrix.
        (v, i), (vt, it) = both_forms(w)
        assert (np.diff(i, axis=-1) > 0).all() and (np.diff(it, axis=-1) > 0).all(), name
        dense = oracle.decompress(v, i, 4, cols)
        assert (dense == oracle.decompress(vt, it, 4, rows).T).all(), name
        assert ((dense == w) | (dense == 0)).all() and not np.signbit(v[v == 0]).any(), name
    # A dense tile of ties takes the first mask; a non-finite entry never vanishes, wherever it is.
    assert (transposable(np.ones((4, 4), F))[1][0, 0] == square(mine[0])).all()
    for bad in (np.nan, np.inf, -np.inf):
        for rows, cols in itertools.product(range(1, 6), repeat=2):
            for i, j in itertools.product(range(rows), range(cols)):
                w = np.ones((rows, cols), F)
                w[i, j] = bad
                (v, index), (vt, index_t) = both_forms(w)
                dense = oracle.decompress(v, index, 4, cols)
                assert np.isnan(dense[i // 4 * 4, j // 4 * 4]), (bad, rows, cols, i, j)
                assert (np.isnan(dense) == np.isnan(oracle.decompress(vt, index_t, 4, rows).T)).all()
    # So does a sum that overflows.
    assert (np.isnan(transposable(np.full((4, 4), 3e38, F))[0][0, 0]) == square(mine[0])).all()
    print("transposable: all self-checks hold")


# ---------------------------------------------------------------- vectors
def cases():
    data = Source(0x7A5)
    yield "mixed", data.mixture(64, 72, 2, 4)
    # Every kind of group in the columns, too.
    yield "mixed columns", data.mixture(40, 68, 2, 4).T
    # Vectors of every width and a remainder, bands of tiles and a remainder.
    yield "tall", data.matrix(135, 70)
    yield "wide", data.matrix(9, 333)
    yield "ties", (data.below(5, 40 * 44) - 2).reshape(40, 44)
    yield "ties up to rounding", (1 + (data.below(3, 40 * 44) - 1) * 2.0**-23).reshape(40, 44)
    yield "lognormal", data.wide(36 * 68, -6, 6).reshape(36, 68)
    yield "every scale", data.wide(36 * 68, -140, 110).reshape(36, 68)
    for rows, cols in itertools.product(range(1, 10), repeat=2):
        yield "edges", data.mixture(rows, cols, 2, 4)


def make():
    records = []
    for name, w in cases():
        w = np.ascontiguousarray(w, F)
        text = name.encode("ascii")
        record = struct.pack(f"<B{len(text)}sII", len(text), text, *w.shape) + File.floats(w)
        for values, index in both_forms(w):
            record += File.floats(values) + oracle.pack_meta(index, 4).tobytes()
        records.append(record)
    return b"SPNMTRN1" + struct.pack("<I", len(records)) + b"".join(records)


if __name__ == "__main__":
    sys.exit(committed.main(OUTPUT, "the oracle", make, selfcheck))
