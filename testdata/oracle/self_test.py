#!/usr/bin/env python3
"""Tries the oracle: its vector code against plain loops over the definitions, and against values worked by hand.

usage: python3 self_test.py
"""
import math
import os
import tempfile
import unittest

import numpy as np

import bpe
import exact
import gguf
import keep
import models
import quant


def plain(m, ids, window):
    """Log-probabilities of the last position: one number at a time, one query at a time."""
    w, eps, dim = m.weights, m.eps, m.dim_k
    heads, heads_kv, n = m.n_head, m.n_head_kv, len(ids)

    def times(name, x):
        return [math.fsum(a * b for a, b in zip(row, x)) for row in w[name].tolist()]

    def norm(x, name):
        r = math.sqrt(math.fsum(v * v for v in x) / len(x) + eps)
        return [v / r * g for v, g in zip(x, w[name].tolist())]

    def turn(head, pos):
        out = list(head)
        for j in range(dim // 2):
            a, b = (j, j + dim // 2) if m.arch == "qwen3" else (2 * j, 2 * j + 1)
            t = pos * m.key("rope.freq_base") ** (-2 * j / dim)
            out[a] = head[a] * math.cos(t) - head[b] * math.sin(t)
            out[b] = head[a] * math.sin(t) + head[b] * math.cos(t)
        return out

    def heads_of(x, name, pos):
        out = []
        for h in range(len(x) // dim):
            head = x[h * dim : (h + 1) * dim]
            if m.arch == "qwen3":
                head = norm(head, name)
            out.append(turn(head, pos))
        return out

    xs = [w["token_embd.weight"][i].tolist() for i in ids]
    for layer in range(m.n_layer):
        p = f"blk.{layer}."
        normed = [norm(x, p + "attn_norm.weight") for x in xs]
        keys = [heads_of(times(p + "attn_k.weight", x), p + "attn_k_norm.weight", i) for i, x in enumerate(normed)]
        values = [times(p + "attn_v.weight", x) for x in normed]
        for i, x in enumerate(normed):
            joined = []
            for h, q in enumerate(heads_of(times(p + "attn_q.weight", x), p + "attn_q_norm.weight", i)):
                g = h * heads_kv // heads
                seen = [j for j in range(n) if j <= i and i - j < window]
                e = [math.exp(math.fsum(a * b for a, b in zip(q, keys[j][g])) / math.sqrt(dim)) for j in seen]
                for d in range(dim):
                    joined.append(math.fsum(a * values[j][g * dim + d] for a, j in zip(e, seen)) / math.fsum(e))
            y = times(p + "attn_output.weight", joined)
            x = [a + b for a, b in zip(xs[i], y)]
            f = norm(x, p + "ffn_norm.weight")
            mid = [a / (1 + math.exp(-a)) * b for a, b in zip(times(p + "ffn_gate.weight", f), times(p + "ffn_up.weight", f))]
            xs[i] = [a + b for a, b in zip(x, times(p + "ffn_down.weight", mid))]
    logits = times("output.weight" if "output.weight" in w else "token_embd.weight", norm(xs[-1], "output_norm.weight"))
    total = math.log(math.fsum(math.exp(v) for v in logits))
    return np.array([v - total for v in logits])


def tiny(arch, path):
    """A model small enough for plain loops."""
    sizes = dict(layers=2, embd=32, ff=32, vocab=259, heads=2, heads_kv=1, dim=32, freq_base=100.0, eps=1e-5)
    w = models.Writer(arch, "tiny", 5, sizes)
    w.vocabulary("qwen2")
    w.matrix("token_embd", "F16", sizes["vocab"], sizes["embd"], 3.0)
    w.norm("output_norm", sizes["embd"])
    for layer in range(sizes["layers"]):
        w.block(layer, ("Q8_0", "IQ4_NL"), qk_norm=arch == "qwen3")
    gguf.write(path, w.meta, w.tensors)


class Oracle(unittest.TestCase):
    def test_plain_loops(self):
        """QK-norm before RoPE, both pairings, grouped heads, windows of 1, 4 and all positions."""
        ids = [1, 70, 7, 254, 3, 3, 120]
        with tempfile.TemporaryDirectory() as folder:
            for arch in ("llama", "qwen3"):
                path = os.path.join(folder, arch + ".gguf")
                tiny(arch, path)
                seen = []
                for window in (1, 4, len(ids)):
                    m = exact.Model(path)
                    got = m.log_probs(ids, window)[-1]
                    want = plain(m, ids, window)
                    self.assertLess(np.abs(got - want).max(), 1e-12, (arch, window))
                    seen.append(got)
                    self.assertAlmostEqual(float(np.exp(got).sum()), 1, 12)
                self.assertGreater(np.abs(seen[0] - seen[1]).max(), 0.01)  # a window is felt
                self.assertGreater(np.abs(seen[1] - seen[2]).max(), 0.01)
                self.assertTrue(np.array_equal(seen[2], exact.Model(path).log_probs(ids)[-1]))

    def test_yarn(self):
        """Frequencies worked by hand: 64 trained positions, base 10^4, 8 elements, ramp from pair 0 to pair 2, factor 4."""
        m = exact.Model.__new__(exact.Model)
        m.arch, m.weights, m.unused, m.rope_dims = "llama", {}, set(), 8
        keys = {"freq_base": 1e4, "scaling.type": b"yarn", "scaling.factor": 4.0, "scaling.original_context_length": 64, "scaling.yarn_beta_fast": 8.0}
        m.meta = {"llama.rope." + k: (0, v) for k, v in keys.items()} | {"llama.context_length": (0, 256)}
        freq, magnitude = m.rope_table()
        np.testing.assert_allclose(freq, [1, 0.1 * 0.5 + 0.025 * 0.5, 0.0025, 0.00025], rtol=1e-12)
        self.assertAlmostEqual(magnitude, 1 + 0.1 * math.log(4), 12)

    def test_unused_tensor(self):
        """A tensor that the computation does not know is an error, not silence."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "llama.gguf")
            tiny("llama", path)
            meta, tensors = gguf.read(path)
            tensors["blk.0.attn_sinks.weight"] = ("F32", (2,), bytes(8))
            gguf.write(path, meta, tensors)
            with self.assertRaisesRegex(ValueError, "attn_sinks"):
                exact.Model(path).log_probs([1, 2])

    def test_round_trip(self):
        """Reading and writing a file gives its bytes."""
        for name in ("tokenizer/bpe.gguf", "tokenizer/spm.gguf", "sotu-8m-q4_k_m.gguf"):
            path = keep.path("testdata", *name.split("/"))
            with tempfile.TemporaryDirectory() as folder:
                copy = os.path.join(folder, "copy.gguf")
                gguf.write(copy, *gguf.read(path))
                with open(path, "rb") as a, open(copy, "rb") as b:
                    self.assertTrue(a.read() == b.read(), name)

    def test_encode(self):
        """Encoding errs by no more than half a step of a type."""
        x = models.Random(1).bell(40, 32).astype(np.float32)
        most = np.abs(x).max(1, keepdims=True)
        for kind, step in (("F32", 0), ("F16", 2**-11), ("Q8_0", 0.5 / 127 + 0.001), ("IQ4_NL", 14 / 127 + 0.001)):
            y = quant.decode(kind, quant.encode(kind, x)).reshape(x.shape)
            self.assertLessEqual(float((np.abs(x - y) / most).max()), step, kind)

    def test_words(self):
        """Tekken's words, as its expression cuts them."""
        text = "It's HTTPServer 42 -- x!/\n\n  y  "
        self.assertEqual(
            bpe.WORDS.findall(text),
            ["It", "'s", " HTTPServer", " ", "4", "2", " --", " x", "!/\n\n", " ", " y", "  "],
        )


if __name__ == "__main__":
    unittest.main()
