#!/usr/bin/env python3
"""What the ggml library loses when it quantises: ../../loader/quant/testdata/encode.json.

usage: PEER=FOLDER encode.py

The root mean square error of each type on 65536 elements, which a small generator
gives here as in loader/quant/encode_test.go. Without PEER the file stays as it is.
"""
import ctypes
import json

import keep
import numpy as np

TYPES = {"Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14,
         "IQ4_NL": 20, "IQ4_XS": 23, "MXFP4": 39}  # fmt: skip
SIZES = {"Q4_0": (32, 18), "Q4_1": (32, 20), "Q5_0": (32, 22), "Q5_1": (32, 24), "Q8_0": (32, 34), "Q2_K": (256, 84), "Q3_K": (256, 110),
         "Q4_K": (256, 144), "Q5_K": (256, 176), "Q6_K": (256, 210), "IQ4_NL": (32, 18), "IQ4_XS": (256, 136), "MXFP4": (32, 17)}  # fmt: skip


def elements(n):
    """The elements of encode_test.go's encodeInput."""
    out, seed = np.empty(n, np.float32), 1
    for i in range(n):
        v = 0.0
        for _ in range(4):
            seed = (seed * 1664525 + 1013904223) % 2**32
            v += (seed >> 8) / 2**24 - 0.5
        out[i] = v * (4 if i % 61 == 0 else 1) * (1 + i // 256 % 7) / 64
    return out


def main():
    if not keep.PEER:
        print("loader/quant/testdata/encode.json: left as it is: it is the ggml library's, and PEER does not say where that is")
        return
    ggml = ctypes.CDLL(keep.library("libggml-base.so"))
    ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
    ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
    x, out = elements(1 << 16), {}
    for name, number in TYPES.items():
        block, size = SIZES[name]
        raw, y = np.zeros(x.size // block * size, np.uint8), np.empty_like(x)
        assert ggml.ggml_quantize_chunk(number, x.ctypes.data, raw.ctypes.data, 0, x.size // 1024, 1024, None) == raw.size
        decode = getattr(ggml, "dequantize_row_" + (name.lower() if "_K" not in name else name.lower().replace("_k", "_K")))
        decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
        decode.restype = None
        decode(raw.ctypes.data, y.ctypes.data, x.size)
        out[name] = float(np.sqrt(np.mean((x.astype(np.float64) - y) ** 2)))
    keep.put_json(keep.path("loader", "quant", "testdata", "encode.json"), out)


if __name__ == "__main__":
    main()
