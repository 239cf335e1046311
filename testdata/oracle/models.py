#!/usr/bin/env python3
"""Small random models, each with its golden file: ../NAME.gguf, ../NAME.golden.json.

usage: models.py

Weights keep activations near 1 and logits near a spread of 3, so that a part left
out or turned the wrong way moves log-probabilities by far more than rounding does.
Random numbers are made here (splitmix64, sums of four uniforms), so that no version
of a library changes a file.
"""
import math

import numpy as np

import bpe
import gguf
import golden
import keep
import quant


class Random:
    """splitmix64, a vector at a time."""

    def __init__(self, seed):
        self.state = np.uint64(seed)

    def bits(self, n):
        with np.errstate(over="ignore"):
            step = np.uint64(0x9E3779B97F4A7C15)
            z = self.state + step * np.arange(1, n + 1, dtype=np.uint64)
            self.state = z[-1]
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return z ^ (z >> np.uint64(31))

    def bell(self, *shape):
        """Mean 0, deviation 1: the sum of the four 16-bit parts of a number. Exact but for one product."""
        z = self.bits(int(np.prod(shape)))
        total = sum((z >> np.uint64(s)) & np.uint64(0xFFFF) for s in (0, 16, 32, 48)).astype(np.float64)
        return ((total - 2 * 0xFFFF) * (math.sqrt(3) / 65536)).reshape(shape)


class Writer:
    """Collects a model's keys and tensors."""

    def __init__(self, arch, name, seed, sizes):
        self.random, self.arch, self.sizes = Random(seed), arch, sizes
        self.meta = {
            "general.architecture": (gguf.STRING, arch),
            "general.name": (gguf.STRING, name),
            "general.quantization_version": (gguf.U32, 2),
        }
        self.tensors = {}
        s = sizes
        for key, v in {
            "block_count": s["layers"], "context_length": 2048, "embedding_length": s["embd"], "feed_forward_length": s["ff"],
            "vocab_size": s["vocab"], "attention.head_count": s["heads"], "attention.head_count_kv": s["heads_kv"],
            "attention.key_length": s["dim"], "attention.value_length": s["dim"], "rope.dimension_count": s["dim"],
        }.items():  # fmt: skip
            self.meta[f"{arch}.{key}"] = (gguf.U32, v)
        self.meta[f"{arch}.rope.freq_base"] = (gguf.F32, s["freq_base"])
        self.meta[f"{arch}.attention.layer_norm_rms_epsilon"] = (gguf.F32, s["eps"])

    def vocabulary(self, pre):
        """Three control tokens, the 256 bytes, and made-up words to the end."""
        letters = bpe.alphabet()
        tokens = ["<unk>", "<s>", "</s>", *(letters[b] for b in range(256))]
        tokens += [f"word{i}" for i in range(self.sizes["vocab"] - len(tokens))]
        self.meta |= {
            "tokenizer.ggml.model": (gguf.STRING, "gpt2"),
            "tokenizer.ggml.pre": (gguf.STRING, pre),
            "tokenizer.ggml.tokens": ((gguf.ARRAY, gguf.STRING), tokens),
            "tokenizer.ggml.token_type": ((gguf.ARRAY, gguf.I32), [2, 3, 3] + [1] * (len(tokens) - 3)),
            "tokenizer.ggml.merges": ((gguf.ARRAY, gguf.STRING), ["t h", "h e"]),
            "tokenizer.ggml.bos_token_id": (gguf.U32, 1),
            "tokenizer.ggml.eos_token_id": (gguf.U32, 2),
            "tokenizer.ggml.unknown_token_id": (gguf.U32, 0),
            "tokenizer.ggml.add_bos_token": (gguf.BOOL, True),
        }

    def add(self, name, kind, values):
        self.tensors[name] = (kind, values.shape, quant.encode(kind, values))

    def matrix(self, name, kind, rows, cols, gain=1.0):
        self.add(name + ".weight", kind, self.random.bell(rows, cols) * (gain / math.sqrt(cols)))

    def norm(self, name, n, mean=1.0):
        self.add(name + ".weight", "F32", mean * (1 + 0.25 * self.random.bell(n)))

    def block(self, layer, kinds, qk_norm=False):
        """One layer of llama's form; kinds are the types of the attention's and the FFN's matrices."""
        s, p, (attn, ffn) = self.sizes, f"blk.{layer}.", kinds
        q, kv = s["heads"] * s["dim"], s["heads_kv"] * s["dim"]
        self.norm(p + "attn_norm", s["embd"])
        self.matrix(p + "attn_q", attn, q, s["embd"], 1.25)
        self.matrix(p + "attn_k", attn, kv, s["embd"], 1.25)
        self.matrix(p + "attn_v", attn, kv, s["embd"])
        self.matrix(p + "attn_output", "F16", s["embd"], q)
        if qk_norm:
            self.norm(p + "attn_q_norm", s["dim"], 1.3)
            self.norm(p + "attn_k_norm", s["dim"], 1.3)
        self.norm(p + "ffn_norm", s["embd"])
        self.matrix(p + "ffn_gate", ffn, s["ff"], s["embd"])
        self.matrix(p + "ffn_up", ffn, s["ff"], s["embd"])
        self.matrix(p + "ffn_down", ffn, s["embd"], s["ff"], 1.4)

    def experts(self, layer, kind, shared=False, bias=False):
        """Experts in place of the FFN: a router, a bias for choosing, the experts, and one that all rows go to."""
        s, p, r = self.sizes, f"blk.{layer}.", self.random
        for part in ("gate", "up", "down"):
            del self.tensors[f"{p}ffn_{part}.weight"]
        n, embd, ff = s["experts"], s["embd"], s["ff_expert"]
        self.add(p + "ffn_gate_inp.weight", "F32", r.bell(n, embd) * (2 / math.sqrt(embd)))
        if bias:
            self.add(p + "exp_probs_b.bias", "F32", r.bell(n) * 0.5)
        for part in ("gate", "up"):
            self.add(f"{p}ffn_{part}_exps.weight", kind, r.bell(n, ff, embd) / math.sqrt(embd))
        self.add(p + "ffn_down_exps.weight", kind, r.bell(n, embd, ff) * (2 / math.sqrt(ff)))
        if shared:
            self.matrix(p + "ffn_gate_shexp", kind, ff, embd)
            self.matrix(p + "ffn_up_shexp", kind, ff, embd)
            self.matrix(p + "ffn_down_shexp", kind, embd, ff, 1.4)

    def finish(self, name):
        """Writes the model and its golden file."""
        path = keep.path("testdata", name + ".gguf")
        keep.put(path, gguf.pack(self.meta, self.tensors))
        golden.update(path)


def qwen3():
    """Qwen3's block: an RMS norm over each head of q and k, pairs (j, j + n/2), heads wider together than n_embd, tied output."""
    sizes = dict(layers=3, embd=64, ff=128, vocab=320, heads=4, heads_kv=2, dim=32, freq_base=1e6, eps=1e-6)
    w = Writer("qwen3", "random, of Qwen3's form", 3, sizes)
    w.vocabulary("qwen2")
    w.add("token_embd.weight", "Q8_0", w.random.bell(sizes["vocab"], sizes["embd"]) * (3 / math.sqrt(sizes["embd"])))
    w.norm("output_norm", sizes["embd"])
    for layer in range(sizes["layers"]):
        w.block(layer, ("Q8_0", "Q8_0"), qk_norm=True)
    w.finish("qwen3-small")


def iq4_nl():
    """Llama's block with IQ4_NL matrices."""
    sizes = dict(layers=2, embd=64, ff=160, vocab=320, heads=4, heads_kv=2, dim=32, freq_base=1e4, eps=1e-5)
    w = Writer("llama", "random, IQ4_NL", 4, sizes)
    w.vocabulary("tekken")
    w.add("token_embd.weight", "IQ4_NL", w.random.bell(sizes["vocab"], sizes["embd"]))
    w.norm("output_norm", sizes["embd"])
    w.matrix("output", "IQ4_NL", sizes["vocab"], sizes["embd"], 3.0)
    for layer in range(sizes["layers"]):
        w.block(layer, ("IQ4_NL", "IQ4_NL"))
    w.finish("iq4_nl-small")


def experts():
    """GLM-4.5's block: experts by sigmoids with a bias, in groups, scaled, beside a shared one, behind a dense layer; half a head is turned."""
    sizes = dict(layers=3, embd=64, ff=96, ff_expert=32, experts=8, vocab=320, heads=4, heads_kv=2, dim=32, freq_base=1e4, eps=1e-5)
    w = Writer("glm4moe", "random, of GLM-4.5's form", 5, sizes)
    for key, kind, v in (
        ("rope.dimension_count", gguf.U32, 16), ("expert_count", gguf.U32, 8), ("expert_used_count", gguf.U32, 3),
        ("expert_feed_forward_length", gguf.U32, 32), ("expert_shared_count", gguf.U32, 1), ("leading_dense_block_count", gguf.U32, 1),
        ("expert_weights_norm", gguf.BOOL, True), ("expert_weights_scale", gguf.F32, 1.8),
        ("expert_group_count", gguf.U32, 4), ("expert_group_used_count", gguf.U32, 2),
    ):  # fmt: skip
        w.meta["glm4moe." + key] = (kind, v)
    w.vocabulary("qwen2")
    w.add("token_embd.weight", "Q8_0", w.random.bell(sizes["vocab"], sizes["embd"]))
    w.norm("output_norm", sizes["embd"])
    w.matrix("output", "Q8_0", sizes["vocab"], sizes["embd"], 3.0)
    for layer in range(sizes["layers"]):
        w.block(layer, ("Q8_0", "Q8_0"), qk_norm=True)
        p = f"blk.{layer}."
        w.tensors[p + "post_attention_norm.weight"] = w.tensors.pop(p + "ffn_norm.weight")
        if layer > 0:
            w.experts(layer, "Q8_0", shared=True, bias=True)
    w.finish("experts-small")


if __name__ == "__main__":
    qwen3()
    experts()
    iq4_nl()
