#!/usr/bin/env python3
"""The golden log-probabilities of a model: MODEL.golden.json beside MODEL.gguf.

usage: golden.py MODEL.gguf…

A golden file is {"ids": […], "rows": [{"exact_top": […], "exact_lp": …}, …]}: for
each position the 20 most likely next tokens with the natural logarithms of their
probabilities, and that of the token which follows (null at the end), in float64.
"top" and "lp", where a file has them, are llama.cpp's answers; they are asked for anew
where it is at hand (PEER, see keep.py) and stay as they are elsewhere. How far they
are from the exact ones is printed. A model without a golden file gets an exact one,
over 64 ids spread through its vocabulary.
"""
import json
import os
import subprocess
import sys

import numpy as np

import exact
import keep


def spread(vocabulary):
    """64 ids: <s>, then a quadratic sequence."""
    return [1] + [3 + (i * i * 7 + i * 13) % (vocabulary - 3) for i in range(63)]


def rows(log_probs, ids):
    """The exact fields of each position."""
    out = []
    for i, lp in enumerate(log_probs):
        top = np.argsort(-lp, kind="stable")[:20]
        last = i + 1 == len(ids)
        out.append({
            "exact_top": [[int(t), round(float(lp[t]), 7)] for t in top],
            "exact_lp": None if last else round(float(lp[ids[i + 1]]), 7),
        })  # fmt: skip
    return out


def peer(path, ids):
    """llama.cpp's fields of each position."""
    script = keep.path("testdata", "oracle", "peer.mjs")
    run = subprocess.run(["node", script, keep.PEER, path, ",".join(map(str, ids))], check=True, stdout=subprocess.PIPE)
    return json.loads(run.stdout)


def peer_distance(golden, log_probs):
    """Mean and largest |Δ log p| of llama.cpp's answers, and their divergence from the exact ones, in nats."""
    d = [abs(r["lp"] - r["exact_lp"]) for r in golden["rows"] if r.get("lp") is not None and r["exact_lp"] is not None]
    kl = [sum(np.exp(lp[t]) * (lp[t] - np.log(max(p, 1e-12))) for t, p in r["top"]) for r, lp in zip(golden["rows"], log_probs)]
    return np.mean(d), np.max(d), np.mean(kl)


def update(path):
    """Computes a model's golden file anew."""
    target = path.removesuffix(".gguf") + ".golden.json"
    model = exact.Model(path)
    golden = {}
    if os.path.exists(target):
        with open(target) as f:
            golden = json.load(f)
    ids = golden.setdefault("ids", spread(len(model.weights["token_embd.weight"])))
    log_probs = model.log_probs(ids)
    old = golden.get("rows", [{}] * len(ids))
    judged = "top" in old[0]
    if judged and keep.PEER:
        old = peer(path, ids)
    golden["rows"] = [{**r, **e} for r, e in zip(old, rows(log_probs, ids), strict=True)]
    keep.put_json(target, golden)
    if judged:
        mean, most, kl = peer_distance(golden, log_probs)
        print(f"  llama.cpp from exact: |Δ log p| {mean:.4f} mean, {most:.4f} largest; KL of its 20 {kl:.9f}")


if __name__ == "__main__":
    for path in sys.argv[1:]:
        update(path)
