#!/usr/bin/env python3
"""The float64 answer: what a GGUF model says, computed without rounding on the way.

usage: exact.py MODEL.gguf ID,ID,…  [--window W]

Weights are decoded by quant.py and every sum is a float64 one. The block is llama's
(grouped heads of any size, RMS norms, RoPE, SwiGLU); what an architecture adds is in
ARCHITECTURES. A tensor the computation does not use is an error, so that a feature
is not forgotten silently. Prints a line for each position: log p of the next token
and the most likely one.
"""
import argparse
import math

import numpy as np

import gguf
import quant

# What differs from llama: half_split turns pairs (j, j + n/2) in place of (2j, 2j+1);
# qk_norm is an RMS norm over each head of q and k, "before" or "after" RoPE, "optional" is
# before where the file has it, "row" a norm over all heads together, before.
# ffn_norm is another name of that tensor.
# still is n where every nth layer has no RoPE, and scales where four factors are the file's.
# experts is (gating, norm) where layers are of experts: gating is what makes weights of
# logits where no key says it, norm whether they are divided by their sum ("key": a key says).
ARCHITECTURES = {
    "llama": {"experts": ("softmax", True)},
    "qwen2": {"half_split": True},
    "qwen2vl": {"half_split": True},  # of text all three positions are the same
    "qwen3": {"half_split": True, "qk_norm": "before"},
    "qwen3vl": {"half_split": True, "qk_norm": "before"},
    "qwen3vlmoe": {"half_split": True, "qk_norm": "before", "experts": ("softmax", True)},
    "seed_oss": {"half_split": True, "ffn_norm": "post_attention_norm"},
    "ernie4_5": {},
    "smollm3": {"still": 4},
    "granite": {"scales": True},
    "granitemoe": {"scales": True, "experts": ("softmax", True)},
    "qwen3moe": {"half_split": True, "qk_norm": "before", "experts": ("softmax", True)},
    "qwen2moe": {"half_split": True, "experts": ("softmax", False)},
    "glm4moe": {"half_split": True, "qk_norm": "optional", "ffn_norm": "post_attention_norm", "experts": ("sigmoid", "key")},
    "ernie4_5-moe": {"experts": ("softmax", True)},
    "hunyuan-moe": {"half_split": True, "qk_norm": "after", "experts": ("softmax", True)},
    "minimax-m2": {"half_split": True, "qk_norm": "row", "experts": ("softmax", True)},
}


def silu(x):
    return x / (1 + np.exp(-x))


def softmax(x):
    p = np.exp(x - x.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


class Model:
    """A model's configuration and its weights, float64, shapes (rows, columns)."""

    def __init__(self, path):
        self.meta, tensors = gguf.read(path)
        self.arch = gguf.get(self.meta, "general.architecture")
        self.differs = ARCHITECTURES[self.arch]
        self.weights = {n: quant.decode(kind, raw).astype(np.float64).reshape(shape) for n, (kind, shape, raw) in tensors.items()}
        self.unused = set(self.weights)
        self.n_layer = self.key("block_count")
        self.n_head = self.key("attention.head_count")
        self.n_head_kv = self.key("attention.head_count_kv", self.n_head)
        width = self.key("embedding_length") // self.n_head
        self.dim_k = self.key("attention.key_length", width)
        self.dim_v = self.key("attention.value_length", width)
        self.eps = self.key("attention.layer_norm_rms_epsilon")
        self.rope_dims = self.key("rope.dimension_count", self.dim_k)
        self.n_expert = self.key("expert_count", 0)
        scale = (lambda name: self.key(name, 0.0) or 1.0) if self.differs.get("scales") else lambda name: 1.0
        self.embedding_scale, self.residual_scale, self.logit_scale = (scale(n) for n in ("embedding_scale", "residual_scale", "logit_scale"))
        self.attention_root = math.sqrt(self.dim_k)
        if self.differs.get("scales") and self.key("attention.scale", 0.0):
            self.attention_root = 1 / self.key("attention.scale")

    def key(self, name, default=None):
        v = gguf.get(self.meta, f"{self.arch}.{name}", default)
        if v is None:
            raise KeyError(f"{self.arch}.{name}")
        return v

    def weight(self, name):
        """A weight, or None."""
        self.unused.discard(name)
        return self.weights.get(name)

    def linear(self, name, x):
        """x (n, columns) times the transposed weight, and its bias where there is one."""
        y = x @ self.weight(name + ".weight").T
        bias = self.weight(name + ".bias")
        return y if bias is None else y + bias

    def norm(self, x, name):
        """RMS norm over the last axis."""
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.eps) * self.weight(name)

    def rope_table(self):
        """Radians a position for each pair, and the factor on what is turned."""
        n = self.rope_dims
        j = np.arange(n // 2, dtype=np.float64)
        base = self.key("rope.freq_base", 10000.0)
        freq = base ** (-2 * j / n)
        factors = self.weight("rope_freqs.weight")
        if factors is not None:
            freq = freq / factors
        magnitude = self.key("rope.scaling.attn_factor", 1.0)
        factor = self.key("rope.scaling.factor", 0.0) or self.key("rope.scale_linear", 0.0) or 1.0
        kind = self.key("rope.scaling.type", "linear")
        if kind == "none" or factor == 1 and kind != "yarn":
            return freq, magnitude
        if kind == "linear":
            return freq / factor, magnitude
        if kind != "yarn":
            raise ValueError(f"RoPE scaling {kind} is not computed here")
        # YaRN (Peng et al. 2023): pairs that turn often in the trained context keep
        # their frequency, slow ones are interpolated, a ramp lies between.
        trained = self.key("rope.scaling.original_context_length", self.key("context_length"))

        def pair(turns):
            return n * math.log(trained / (2 * math.pi * turns)) / (2 * math.log(base))

        low = max(0, math.floor(pair(self.key("rope.scaling.yarn_beta_fast", 32.0))))
        high = min(n - 1, math.ceil(pair(self.key("rope.scaling.yarn_beta_slow", 1.0))))
        keep = 1 - np.clip((j - low) / max(0.001, high - low), 0, 1)
        if factor > 1:
            magnitude *= 1 + 0.1 * math.log(factor)
        return freq * (keep + (1 - keep) / factor), magnitude

    def rope(self, x, table):
        """Turns the first rope_dims elements of each head of x (n, heads, dim) by its position."""
        freq, magnitude = table
        angle = np.arange(len(x))[:, None, None] * freq
        c, s = np.cos(angle) * magnitude, np.sin(angle) * magnitude
        n = self.rope_dims
        first, second = (slice(0, n // 2), slice(n // 2, n)) if self.differs.get("half_split") else (slice(0, n, 2), slice(1, n, 2))
        a, b = x[..., first], x[..., second]
        y = x.copy()
        y[..., first], y[..., second] = a * c - b * s, a * s + b * c
        return y

    def attention(self, q, k, v, window):
        """Softmax attention over the last window positions, the query's own among them; None: over all."""
        n, share = len(q), self.n_head // self.n_head_kv
        behind = np.arange(n)[:, None] - np.arange(n)  # query position − key position
        hidden = (behind < 0) | (behind >= (window or n))
        out = np.empty((n, self.n_head, v.shape[-1]))
        for h in range(self.n_head):
            score = q[:, h] @ k[:, h // share].T / self.attention_root
            score = np.where(hidden, -np.inf, score)
            p = np.exp(score - score.max(-1, keepdims=True))
            out[:, h] = p / p.sum(-1, keepdims=True) @ v[:, h // share]
        return out.reshape(n, -1)

    def norm_heads(self, q, k, p, when):
        """Norms of queries and keys (n, heads, dim), where the family has them at that time."""
        kind = self.differs.get("qk_norm")
        if kind == "optional":
            kind = "before" if self.weight(p + "attn_q_norm.weight") is not None else None
        if kind == "row" and when == "before":
            return tuple(self.norm(x.reshape(len(x), -1), p + w).reshape(x.shape) for x, w in ((q, "attn_q_norm.weight"), (k, "attn_k_norm.weight")))
        if kind == when:
            return self.norm(q, p + "attn_q_norm.weight"), self.norm(k, p + "attn_k_norm.weight")
        return q, k

    def dense(self, h, p, suffix=""):
        """The gated feed-forward layer."""
        return self.linear(p + "ffn_down" + suffix, silu(self.linear(p + "ffn_gate" + suffix, h)) * self.linear(p + "ffn_up" + suffix, h))

    def mixture(self, h, p):
        """The layer of experts: for each row the outputs of those chosen, by their weights, and the shared one's."""
        gating, norm = self.differs["experts"]
        gating = {0: gating, 1: "softmax", 2: "sigmoid"}[self.key("expert_gating_func", 0)]
        if norm == "key":
            norm = self.key("expert_weights_norm", False)
        logits = self.linear(p + "ffn_gate_inp", h)
        values = softmax(logits) if gating == "softmax" else 1 / (1 + np.exp(-logits))
        bias = self.weight(p + "exp_probs_b.bias")
        biased = values if bias is None else values + bias
        groups = self.key("expert_group_count", 1)
        if groups > 1:
            score = np.sort(biased.reshape(len(h), groups, -1), -1)[..., -2:].sum(-1)
            kept = np.argsort(-score, -1, kind="stable")[:, : self.key("expert_group_used_count")]
            hidden = np.ones_like(score, bool)
            np.put_along_axis(hidden, kept, False, -1)
            biased = np.where(np.repeat(hidden, self.n_expert // groups, -1), -np.inf, biased)
        chosen = np.argsort(-biased, -1, kind="stable")[:, : self.key("expert_used_count")]
        weights = np.take_along_axis(values, chosen, -1)
        if norm:
            weights = weights / np.maximum(weights.sum(-1, keepdims=True), 2.0**-14)
        weights = weights * (self.key("expert_weights_scale", 0.0) or 1.0)
        gate, up, down = (self.weight(p + f"ffn_{n}_exps.weight") for n in ("gate", "up", "down"))
        y = np.zeros_like(h)
        for i, row in enumerate(h):
            for e, w in zip(chosen[i], weights[i]):
                y[i] += w * (down[e] @ (silu(gate[e] @ row) * (up[e] @ row)))
        if p + "ffn_up_shexp.weight" in self.weights:
            shared = self.dense(h, p, "_shexp")
            by = self.weight(p + "ffn_gate_inp_shexp.weight")
            y += shared if by is None else shared / (1 + np.exp(-(h @ by.reshape(-1, 1))))
        return y

    def log_probs(self, ids, window=None):
        """Natural logarithms of the next token's probabilities at each position: (n, vocabulary)."""
        n = len(ids)
        x = self.weight("token_embd.weight")[np.asarray(ids)] * self.embedding_scale
        table = self.rope_table()
        for layer in range(self.n_layer):
            p = f"blk.{layer}."
            h = self.norm(x, p + "attn_norm.weight")
            q = self.linear(p + "attn_q", h).reshape(n, self.n_head, self.dim_k)
            k = self.linear(p + "attn_k", h).reshape(n, self.n_head_kv, self.dim_k)
            v = self.linear(p + "attn_v", h).reshape(n, self.n_head_kv, self.dim_v)
            q, k = self.norm_heads(q, k, p, "before")
            if (layer + 1) % self.differs.get("still", self.n_layer + 1):
                q, k = self.rope(q, table), self.rope(k, table)
            q, k = self.norm_heads(q, k, p, "after")
            a = self.attention(q, k, v, window)
            x = x + self.linear(p + "attn_output", a) * self.residual_scale
            h = self.norm(x, p + self.differs.get("ffn_norm", "ffn_norm") + ".weight")
            y = self.mixture(h, p) if p + "ffn_gate_inp.weight" in self.weights else self.dense(h, p)
            x = x + y * self.residual_scale
        head = self.weight("output.weight")
        if head is None:
            head = self.weight("token_embd.weight")
        logits = self.norm(x, "output_norm.weight") @ head.T / self.logit_scale
        if self.unused:
            raise ValueError("tensors that the computation does not use: " + ", ".join(sorted(self.unused)))
        logits -= logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("ids", help="token ids with commas between")
    p.add_argument("--window", type=int, help="attention sees so many positions; default: all")
    o = p.parse_args()
    ids = [int(x) for x in o.ids.split(",")]
    for i, row in enumerate(Model(o.model).log_probs(ids, o.window)):
        next_lp = f"{row[ids[i + 1]]:.7f}" if i + 1 < len(ids) else "–"
        print(i, ids[i], next_lp, int(row.argmax()), f"{row.max():.7f}", sep="\t")


if __name__ == "__main__":
    main()
