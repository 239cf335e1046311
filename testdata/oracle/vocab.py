#!/usr/bin/env python3
"""A small vocabulary in Gemma 4's style: ../tokenizer/gemma4.gguf.

Merges are trained on the lines of the tests' texts, spaces written as ▁, the most
frequent pair first and of equals the first in code point order. So that every way to
fall back is taken, a third of the characters beyond ASCII and every seventh merged
string are left out of the tokens, and so is the byte 0x7F.
"""
import collections

import gguf
import keep
import tokens

CONTROL, USER, BYTE = 3, 4, 6
FIRST = [("<pad>", CONTROL), ("<eos>", CONTROL), ("<bos>", CONTROL), ("<unk>", 2), ("<|turn>", CONTROL), ("<turn|>", CONTROL),
         ("<|tool_response>", CONTROL), ("</s>", 1), ("<b>", USER), ("\n", 1), ("\n\n", 1), ("\n\n\n", 1), ("\n\n\n\n\n", 1)]  # fmt: skip
MERGES = 500


def train(lines):
    """The most frequent pairs of symbols, one after another."""
    merges = []
    for _ in range(MERGES):
        pairs = collections.Counter(p for line in lines for p in zip(line, line[1:]))
        left, right = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append((left, right))
        for line in lines:
            i = 0
            while i + 1 < len(line):
                if (line[i], line[i + 1]) == (left, right):
                    line[i : i + 2] = [left + right]
                i += 1
    return merges


def main():
    texts = [t for t in (raw.decode("utf-8", "ignore") for raw in tokens.texts()) if "\0" not in t]
    lines = [list(line.replace(" ", "▁")) for text in texts for line in text.split("\n")]
    chars = sorted({c for line in lines for c in line})
    merges = train(lines)
    vocabulary = dict(FIRST)
    vocabulary |= {f"<0x{b:02X}>": BYTE for b in range(256) if b != 0x7F}
    vocabulary |= {c: 1 for i, c in enumerate(chars) if c in "▁é" or c < "\x7f" or i % 3}
    vocabulary |= {a + b: 1 for i, (a, b) in enumerate(merges) if i % 7 != 6}
    merges = [("\n", "\n"), ("\n\n", "\n\n")] + merges
    key = "tokenizer.ggml."
    meta = {
        "general.architecture": (gguf.STRING, "gemma4"),
        key + "model": (gguf.STRING, "gemma4"),
        key + "tokens": ((gguf.ARRAY, gguf.STRING), list(vocabulary)),
        key + "token_type": ((gguf.ARRAY, gguf.I32), list(vocabulary.values())),
        key + "merges": ((gguf.ARRAY, gguf.STRING), [a + " " + b for a, b in merges]),
        key + "bos_token_id": (gguf.U32, 2),
        key + "eos_token_id": (gguf.U32, 1),
        key + "unknown_token_id": (gguf.U32, 3),
        key + "add_bos_token": (gguf.BOOL, False),
    }
    keep.put(keep.path("testdata", "tokenizer", "gemma4.gguf"), gguf.pack(meta, {}))


if __name__ == "__main__":
    main()
