"""Byte-level BPE of ASCII text with Tekken's words, for the texts of golden files.

Merges are applied one at a time, the lowest rank first, the leftmost of equals: the
definition, without anything that makes it fast. Characters beyond ASCII are refused:
their classes need tables, and llama.cpp's ids judge those (tokens.py).
"""
import re

import gguf

# Tekken's expression with \\p{Lu}, \\p{Ll}, \\p{L} and \\p{N} as ASCII has them.
WORDS = re.compile(
    r"[^\r\nA-Za-z0-9]?[A-Z]*[a-z]+|[^\r\nA-Za-z0-9]?[A-Z]+[a-z]*|[0-9]| ?[^\sA-Za-z0-9]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def alphabet():
    """The printable character that stands for each byte in a vocabulary (GPT-2's table)."""
    visible = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in visible]
    return {b: chr(b) for b in visible} | {b: chr(256 + i) for i, b in enumerate(others)}


def encode(meta, text):
    """The ids of an ASCII text, without <s>."""
    if gguf.get(meta, "tokenizer.ggml.pre") != "tekken" or not text.isascii():
        raise ValueError("only ASCII text with Tekken's words")
    ids = {t.decode(): i for i, t in enumerate(gguf.get(meta, "tokenizer.ggml.tokens"))}
    rank = {tuple(m.decode().split(" ")): i for i, m in enumerate(gguf.get(meta, "tokenizer.ggml.merges"))}
    letters = alphabet()
    out = []
    for word in WORDS.findall(text):
        parts = [letters[b] for b in word.encode()]
        if "".join(parts) in ids:  # Tekken takes a word that is a token whole
            parts = ["".join(parts)]
        while len(parts) > 1:
            best = min(range(len(parts) - 1), key=lambda i: rank.get((parts[i], parts[i + 1]), len(rank)))
            if (parts[best], parts[best + 1]) not in rank:
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        out += [ids[p] for p in parts]
    return out
