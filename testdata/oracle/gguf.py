"""Reads and writes GGUF version 3, little-endian.

A file in memory is (meta, tensors). meta maps a key to (type, value), the type as
the format numbers it; an array's type is (ARRAY, type of its elements). tensors maps
a name to (type name, shape, bytes); shapes are as numpy has them, rows first, the
reverse of the file's dimensions.
"""
import struct

import quant

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMAT = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q", F64: "d"}


def read(path):
    """Reads a file: (meta, tensors). A malformed file ends in an exception of struct or KeyError."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] != b"GGUF":
        raise ValueError(f"{path} is not a GGUF file")
    at = 4

    def number(kind):
        nonlocal at
        (v,) = struct.unpack_from("<" + FORMAT[kind], data, at)
        at += struct.calcsize("<" + FORMAT[kind])
        return v

    def string():
        nonlocal at
        n = number(U64)
        at += n
        return data[at - n : at]

    def value(kind):
        return string() if kind == STRING else number(kind)

    number(U32)  # version
    n_tensors, n_keys = number(U64), number(U64)
    meta = {}
    for _ in range(n_keys):
        key, kind = string().decode(), number(U32)
        if kind == ARRAY:
            elem, n = number(U32), number(U64)
            meta[key] = ((ARRAY, elem), [value(elem) for _ in range(n)])
        else:
            meta[key] = (kind, value(kind))
    places = []
    for _ in range(n_tensors):
        name = string().decode()
        dims = [number(U64) for _ in range(number(U32))]
        places.append((name, quant.NAMES[number(U32)], tuple(dims[::-1]), number(U64)))
    alignment = get(meta, "general.alignment", 32)
    base = -(-at // alignment) * alignment
    tensors = {}
    for name, kind, shape, offset in places:
        size = quant.size(kind, shape)
        raw = data[base + offset : base + offset + size]
        if len(raw) != size:
            raise ValueError(f"{path}: {name} ends beyond the file")
        tensors[name] = (kind, shape, raw)
    return meta, tensors


def get(meta, key, default=None):
    """A key's value; strings as str."""
    v = meta[key][1] if key in meta else default
    return v.decode() if isinstance(v, bytes) else v


def write(path, meta, tensors):
    """Writes a file."""
    with open(path, "wb") as f:
        f.write(pack(meta, tensors))


def pack(meta, tensors, alignment=32):
    """A file's bytes; the same arguments give the same ones."""

    def string(s):
        s = s.encode() if isinstance(s, str) else s
        return struct.pack("<Q", len(s)) + s

    def value(kind, v):
        return string(v) if kind == STRING else struct.pack("<" + FORMAT[kind], v)

    out = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(meta))]
    for key, (kind, v) in meta.items():
        out.append(string(key))
        if isinstance(kind, tuple):
            out.append(struct.pack("<IIQ", *kind, len(v)))
            out += [value(kind[1], x) for x in v]
        else:
            out += [struct.pack("<I", kind), value(kind, v)]
    offset, blobs = 0, []
    for name, (kind, shape, raw) in tensors.items():
        out += [string(name), struct.pack("<I", len(shape)), struct.pack(f"<{len(shape)}Q", *shape[::-1])]
        out.append(struct.pack("<IQ", quant.NUMBERS[kind], offset))
        raw += bytes(-len(raw) % alignment)
        offset += len(raw)
        blobs.append(raw)
    head = b"".join(out)
    return head + bytes(-len(head) % alignment) + b"".join(blobs)
