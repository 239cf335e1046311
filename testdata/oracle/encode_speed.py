#!/usr/bin/env python3
"""How fast the ggml library quantises: MB/s of float32 read, on one processor.

usage: PEER=FOLDER encode_speed.py [SECONDS]

The elements are those of encode.py, and of BenchmarkEncode in ../../loader/quant; the
best of five rounds for each type.
"""
import ctypes
import sys
import time

import keep
import numpy as np
from encode import SIZES, TYPES, elements


def main(seconds=0.2):
    ggml = ctypes.CDLL(keep.library("libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    x = elements(1 << 16)
    for name, number in TYPES.items():
        block, size = SIZES[name]
        raw, best = np.zeros(x.size // block * size, np.uint8), 0.0
        for _ in range(5):
            n, start = 0, time.perf_counter()
            while time.perf_counter() - start < seconds:
                ggml.ggml_quantize_chunk(number, x.ctypes.data, raw.ctypes.data, 0, x.size // 1024, 1024, None)
                n += 1
            best = max(best, n * x.nbytes / 1e6 / (time.perf_counter() - start))
        print(f"{name:8s} {best:9.1f} MB/s")


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
