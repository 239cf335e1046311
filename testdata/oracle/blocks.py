#!/usr/bin/env python3
"""Blocks of every type that package quant decodes, and their elements: ../decode/TYPE.bin.

usage: blocks.py

A file holds n blocks one after the other, then their elements as little-endian
float32; n follows from its size. Block bytes are random. In the first blocks the
scales (d, and dmin where there is one) are the halves below. The elements are
quant.py's. Where llama.cpp is at hand (PEER, see keep.py) they must equal
the ggml library's, bit for bit but for the payload of a NaN.
"""
import ctypes

import numpy as np

import keep
import quant

HALVES = [0x3C00, 0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x7BFF, 0xFBFF, 0x0400, 0x7C00, 0x7E00]  # 1, ±0, subnormals, ±65504, 2^-14, inf, NaN
# type: blocks, offsets of its halves, the library's function; in the order in which the random bytes are drawn
FILES = {
    "F32": (512, [], None),
    "F16": (768, [], "ggml_fp16_to_fp32_row"),
    "BF16": (768, [], "ggml_bf16_to_fp32_row"),
    "Q8_0": (40, [0], "dequantize_row_q8_0"),
    "Q4_0": (40, [0], "dequantize_row_q4_0"),
    "Q4_K": (16, [0, 2], "dequantize_row_q4_K"),
    "Q5_K": (16, [0, 2], "dequantize_row_q5_K"),
    "Q6_K": (16, [208], "dequantize_row_q6_K"),
    "IQ4_NL": (40, [0], "dequantize_row_iq4_nl"),
}


def same_elements(a, b):
    """Equal bits, or NaN in both."""
    a, b = np.frombuffer(a, "<f4"), np.frombuffer(b, "<f4")
    return len(a) == len(b) and bool(np.all((a.view("<u4") == b.view("<u4")) | np.isnan(a) & np.isnan(b)))


def ggml(function, raw, n):
    """The ggml library's elements."""
    f = getattr(ctypes.CDLL(keep.library("libggml-base.so")), function)
    f.argtypes, f.restype = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64], None
    y = np.empty(n, "<f4")
    f(raw, y.ctypes.data, n)
    return y.tobytes()


def main():
    rng = np.random.default_rng(20)
    for name, (n, halves, function) in FILES.items():
        _, elems, size = quant.TYPES[name]
        b = rng.integers(0, 256, (n, size), np.uint8)
        b[-1] = 255
        for at in halves:
            b[:, at : at + 2] = rng.uniform(-1, 1, (n, 1)).astype("<f2").view(np.uint8)  # usual scales, the last block's too
            for i, h in enumerate(HALVES):
                b[i, at : at + 2] = h & 255, h >> 8
        if len(halves) == 2:  # and d and dmin of different size and sign
            for i, (d, dmin) in enumerate([(0x7BFF, 0x0001), (0x0001, 0xFBFF)]):
                b[11 + i, 0:4] = d & 255, d >> 8, dmin & 255, dmin >> 8
        raw = b.tobytes()
        y = quant.decode(name, raw).astype("<f4").tobytes()
        if function and keep.PEER and not same_elements(y, ggml(function, raw, n * elems)):
            raise SystemExit(f"{name}: the ggml library decodes these blocks to other values")
        keep.put(
            keep.path("testdata", "decode", name + ".bin"),
            raw + y,
            lambda old, new: old[: len(raw)] == raw and same_elements(old[len(raw) :], new[len(raw) :]),
        )


if __name__ == "__main__":
    main()
