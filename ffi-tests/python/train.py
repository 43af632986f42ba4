#!/usr/bin/env python3
"""spnm from Python: ctypes and NumPy. Trains a small network whose weight gradients are pruned to 2:4 without bias.

    SPNM_LIB=/usr/local/lib/libspnm.so python3 train.py
"""
import ctypes as C
import os
import sys

import numpy as np

F32, KEEP, MAGNITUDE, MVUE = 0, 0, 1, 2


class Matrix(C.Structure):
    _fields_ = [("data", C.c_void_p), ("rows", C.c_size_t), ("cols", C.c_size_t), ("row_stride", C.c_ssize_t),
                ("col_stride", C.c_ssize_t), ("dtype", C.c_uint32), ("reserved", C.c_uint32)]


class Rng(C.Structure):
    _fields_ = [("seed", C.c_uint64), ("stream", C.c_uint64), ("row0", C.c_uint64), ("col0", C.c_uint64)]


class Options(C.Structure):
    _fields_ = [("struct_size", C.c_size_t), ("isa", C.c_uint32), ("flags", C.c_uint32), ("pool", C.c_void_p)]


lib = C.CDLL(os.environ.get("SPNM_LIB", "libspnm.so.0"))
lib.spnm_last_error.restype = C.c_char_p
lib.spnm_prune_gemm.argtypes = [C.c_void_p, C.c_uint32, C.c_void_p, C.c_uint32, C.c_uint32, C.c_uint32, C.c_float,
                                C.c_void_p, C.c_void_p, C.c_float, C.c_void_p]
lib.spnm_pool_create.argtypes = [C.c_size_t, C.c_void_p]
lib.spnm_pool_free.argtypes = [C.c_void_p]


def check(status):
    if status:
        raise ValueError(lib.spnm_last_error().decode())


def view(a):
    """Any strides will do: pass a.T for a transpose, nothing is copied."""
    assert a.dtype == np.float32 and a.ndim == 2
    return Matrix(a.ctypes.data, *a.shape, *(s // a.itemsize for s in a.strides), F32, 0)


def prune_gemm(a, b, n, m, seed, stream, pool=None):
    """pruned(a) @ b, unbiased: its expectation is a @ b."""
    c = np.empty((a.shape[0], b.shape[1]), np.float32)
    options, rng = Options(C.sizeof(Options), 0, 0, pool), Rng(seed, stream, 0, 0)
    check(lib.spnm_prune_gemm(C.byref(options), MVUE, C.byref(rng), n, m, 1, 1.0, C.byref(view(a)),
                              C.byref(view(b)), 0.0, C.byref(view(c))))
    return c


def train(weight_gradient, steps=150, width=32, batch=128, rate=0.05):
    """Two layers learn a fixed function; the loss at each step."""
    rng = np.random.default_rng(1)
    w1 = rng.standard_normal((width, 8), np.float32) / 3
    w2 = rng.standard_normal((4, width), np.float32) / 6
    target, losses = rng.standard_normal((4, 8), np.float32), []
    for step in range(steps):
        x = rng.standard_normal((batch, 8), np.float32)
        hidden = np.maximum(x @ w1.T, 0)
        error = hidden @ w2.T - np.tanh(x @ target.T)
        losses.append(float((error**2).mean()))
        d2 = (error * (2 / batch)).astype(np.float32)
        d1 = ((d2 @ w2) * (hidden > 0)).astype(np.float32)
        w2 -= rate * weight_gradient(d2, hidden, 2 * step)  # dW = dY^T X
        w1 -= rate * weight_gradient(d1, x, 2 * step + 1)
    return losses


def main():
    pool = C.c_void_p()
    check(lib.spnm_pool_create(2, C.byref(pool)))
    dense = train(lambda d, x, stream: d.T @ x)
    pruned = train(lambda d, x, stream: prune_gemm(d.T, x, 2, 4, seed=5, stream=stream, pool=pool))
    ends = [np.mean(losses[-20:]) for losses in (dense, pruned)]
    print(f"python     loss {dense[0]:.3f} -> {ends[0]:.4f} dense, {ends[1]:.4f} with gradients pruned to 2:4")
    assert ends[1] < 0.5 * pruned[0] and ends[1] < 1.5 * ends[0], "pruned gradients did not train"

    if "SPNM_ORACLE" in os.environ:  # the folder of oracle.py, which defines the bits
        sys.path.insert(0, os.environ["SPNM_ORACLE"])
        import oracle
        d, x = (np.random.default_rng(2).standard_normal((70, cols), np.float32) for cols in (24, 17))
        for n, m in oracle.PATTERNS:
            values, index = oracle.compress(d.T, n, m, oracle.mvue, seed=5, stream=9)
            same = prune_gemm(d.T, x, n, m, 5, 9, pool).tobytes() == oracle.gemm(values, index, m, x).tobytes()
            assert same, f"{n}:{m} differs from the oracle"
        print(f"python     the oracle's bits for {len(oracle.PATTERNS)} patterns")
    lib.spnm_pool_free(pool)


if __name__ == "__main__":
    main()
