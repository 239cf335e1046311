#!/usr/bin/env python3
"""The grids of the types IQ1, IQ2 and IQ3: loader/quant/grids.txt.

usage: grids.py

The tables are part of the format and stand in no formula. Where llama.cpp is at hand (PEER,
see keep.py) they are read off the ggml library: blocks are made that hold each place of a
grid once, and are decoded. Elsewhere the file is left as it is.
"""
import ctypes

import numpy as np

import keep

PATH = keep.path("loader", "quant", "grids.txt")
IQ2 = [8, 25, 43]
# name: the library's function, bytes of a block, places, elements of a point, levels
GRIDS = {
    "iq2_xxs": ("dequantize_row_iq2_xxs", 66, 256, 8, IQ2),
    "iq2_xs": ("dequantize_row_iq2_xs", 74, 512, 8, IQ2),
    "iq2_s": ("dequantize_row_iq2_s", 82, 1024, 8, IQ2),
    "iq3_xxs": ("dequantize_row_iq3_xxs", 98, 256, 4, [4, 12, 20, 28, 36, 44, 52, 62]),
    "iq3_s": ("dequantize_row_iq3_s", 110, 512, 4, [1, 3, 5, 7, 9, 11, 13, 15]),
    "iq1": ("dequantize_row_iq1_s", 50, 2048, 8, [-1, 0, 1]),
}
HEAD = """# Points of the grids of types IQ1, IQ2 and IQ3, place by place: 16 bits each, eight elements of
# two bits or four of four, the first the lowest; they count the levels from the lowest up.
# Written by testdata/oracle/grids.py.
"""


def block(name, size, place):
    """A block whose first elements are a point: no signs, scale bits 0, and d such that the scale is 1."""
    b = np.zeros(size, np.uint8)
    d = {"iq3_xxs": 4, "iq3_s": 1, "iq1": 1}.get(name, 8)
    b[0:2] = np.array([d], "<f2").view(np.uint8)
    b[2] = place & 255
    high = place >> 8
    if name == "iq2_xs":
        b[3] = high
    if name in ("iq2_s", "iq3_s"):
        b[66] = high
    if name == "iq1":
        b[34] = high
    return b


def points(name):
    """A grid as 16-bit points."""
    function, size, n, elems, levels = GRIDS[name]
    f = getattr(ctypes.CDLL(keep.library("libggml-base.so")), function)
    f.argtypes, f.restype = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64], None
    y = np.empty((n, 256), "<f4")
    f(np.concatenate([block(name, size, i) for i in range(n)]).tobytes(), y.ctypes.data, y.size)
    y = y[:, :elems]
    if name == "iq1":
        y = y - np.float32(0.125)
    level = np.searchsorted(levels, y)
    if not np.array_equal(np.take(levels, level), y):
        raise SystemExit(f"{name}: the ggml library has other levels")
    return (level << (16 // elems * np.arange(elems))).sum(1)


def read():
    """The grids of the file, by name."""
    out, name = {}, None
    with open(PATH) as f:
        for line in f:
            words = line.split()
            if len(words) == 1:
                name = words[0]
                out[name] = []
            elif words and words[0] != "#":
                out[name] += [int(w, 16) for w in words]
    return {name: np.array(p) for name, p in out.items()}


def main():
    if not keep.PEER:
        return
    text = HEAD
    for name in GRIDS:
        p = points(name)
        text += "\n" + name + "\n"
        for i in range(0, len(p), 16):
            text += " ".join(f"{x:04x}" for x in p[i : i + 16]) + "\n"
    keep.put(PATH, text.encode())


if __name__ == "__main__":
    main()
