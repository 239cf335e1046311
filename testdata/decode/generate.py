#!/usr/bin/env python3
"""Blocks of every type that package quant decodes, and what the ggml library decodes them to.

usage: GGML_BASE=/path/to/libggml-base.so python3 generate.py     (needs numpy; writes TYPE.bin beside itself)

A file holds n blocks one after the other, then their elements as little-endian float32; n follows from its size.
Block bytes are random. In the first blocks the scales (d, and dmin where there is one) are the halves below.
"""
import ctypes, os, numpy as np

L = ctypes.CDLL(os.environ["GGML_BASE"])
HALVES = [0x3c00, 0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x7bff, 0xfbff, 0x0400, 0x7c00, 0x7e00]  # 1, ±0, subnormals, ±65504, 2^-14, inf, NaN
# name: blocks, bytes and elements of a block, offsets of its halves, decoding function
TYPES = {
    "F32": (512, 4, 1, [], None),
    "F16": (768, 2, 1, [], L.ggml_fp16_to_fp32_row),
    "BF16": (768, 2, 1, [], L.ggml_bf16_to_fp32_row),
    "Q8_0": (40, 34, 32, [0], L.dequantize_row_q8_0),
    "Q4_0": (40, 18, 32, [0], L.dequantize_row_q4_0),
    "Q4_K": (16, 144, 256, [0, 2], L.dequantize_row_q4_K),
    "Q5_K": (16, 176, 256, [0, 2], L.dequantize_row_q5_K),
    "Q6_K": (16, 210, 256, [208], L.dequantize_row_q6_K),
    "IQ4_NL": (40, 18, 32, [0], L.dequantize_row_iq4_nl),
}
rng = np.random.default_rng(20)
for name, (n, size, elems, halves, decode) in TYPES.items():
    b = rng.integers(0, 256, (n, size), np.uint8)
    b[-1] = 255
    for at in halves:
        b[:, at : at + 2] = rng.uniform(-1, 1, (n, 1)).astype("<f2").view(np.uint8)  # usual scales, the last block's too
        for i, h in enumerate(HALVES):
            b[i, at : at + 2] = h & 255, h >> 8
    if len(halves) == 2:  # and d and dmin of different size and sign
        for i, (d, dmin) in enumerate([(0x7bff, 0x0001), (0x0001, 0xfbff)]):
            b[11 + i, 0:4] = d & 255, d >> 8, dmin & 255, dmin >> 8
    y = np.empty(n * elems, "<f4")
    raw = b.tobytes()
    if decode is None:
        y = np.frombuffer(raw, "<f4")
    else:
        decode.argtypes, decode.restype = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64], None
        decode(raw, y.ctypes.data, n * elems)
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".bin")
    with open(path, "wb") as f:
        f.write(raw + y.tobytes())
    print(f"{name}: {n} blocks, {os.path.getsize(path)} bytes, {np.isnan(y).sum()} NaN, largest {np.nanmax(np.abs(y[np.isfinite(y)])):g}")
