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
    "Q4_1": (40, [0, 2], "dequantize_row_q4_1"),
    "Q5_0": (40, [0], "dequantize_row_q5_0"),
    "Q5_1": (40, [0, 2], "dequantize_row_q5_1"),
    "Q2_K": (16, [80, 82], "dequantize_row_q2_K"),
    "Q3_K": (16, [108], "dequantize_row_q3_K"),
    "IQ4_XS": (16, [0], "dequantize_row_iq4_xs"),
    "MXFP4": (257, [], "dequantize_row_mxfp4"),
    "NVFP4": (65, [], "dequantize_row_nvfp4"),
    "Q1_0": (24, [0], "dequantize_row_q1_0"),
    "Q2_0": (24, [0], "dequantize_row_q2_0"),
    "TQ1_0": (16, [52], "dequantize_row_tq1_0"),
    "TQ2_0": (16, [64], "dequantize_row_tq2_0"),
    "IQ2_XXS": (16, [0], "dequantize_row_iq2_xxs"),
    "IQ2_XS": (20, [0], "dequantize_row_iq2_xs"),
    "IQ2_S": (24, [0], "dequantize_row_iq2_s"),
    "IQ3_XXS": (16, [0], "dequantize_row_iq3_xxs"),
    "IQ3_S": (20, [0], "dequantize_row_iq3_s"),
    "IQ1_S": (24, [0], "dequantize_row_iq1_s"),
    "IQ1_M": (24, [], "dequantize_row_iq1_m"),
}
LEAST = np.float32(2.0**-56)  # below it elements of MXFP4 may be taken for 0


def same_elements(a, b):
    """Equal bits, or NaN in both."""
    a, b = np.frombuffer(a, "<f4"), np.frombuffer(b, "<f4")
    return len(a) == len(b) and bool(np.all((a.view("<u4") == b.view("<u4")) | np.isnan(a) & np.isnan(b)))


def scales(name, b):
    """Every scale of the types whose scales are bytes; IQ1_M's halves, which lie in the upper nibbles of four words."""
    if name == "MXFP4":
        b[:256, 0] = np.arange(256)
    if name == "NVFP4":
        b[:64, :4] = np.arange(256).reshape(64, 4)
    if name == "IQ1_M":
        d = np.concatenate([np.array(HALVES, np.uint16), np.full(len(b) - len(HALVES), 0x3155, np.uint16)])
        for i in range(4):
            b[:, 49 + 2 * i] = b[:, 49 + 2 * i] & 15 | (d >> 4 * i & 15).astype(np.uint8) << 4


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
                b[11 + i, halves[0] : halves[0] + 4] = d & 255, d >> 8, dmin & 255, dmin >> 8
        scales(name, b)
        raw = b.tobytes()
        y = quant.decode(name, raw).astype("<f4").tobytes()
        if function and keep.PEER:
            theirs = np.frombuffer(ggml(function, raw, n * elems), "<f4")
            if name == "MXFP4":
                ours = np.frombuffer(y, "<f4")
                theirs = np.where((np.abs(theirs) < LEAST) & (ours == 0), ours, theirs)
            if not same_elements(y, theirs.tobytes()):
                raise SystemExit(f"{name}: the ggml library decodes these blocks to other values")
        keep.put(
            keep.path("testdata", "decode", name + ".bin"),
            raw + y,
            lambda old, new: old[: len(raw)] == raw and same_elements(old[len(raw) :], new[len(raw) :]),
        )


if __name__ == "__main__":
    main()
