#!/usr/bin/env python3
"""What models of one type of weights say: in float64, and by llama.cpp.

usage: of_type.py FOLDER IDS OUT.json     (written by `go test ./engine -run ModelsPage -update`)

FOLDER has a model TYPE.gguf of each type, IDS are the tokens, separated by commas. OUT.json
is a list of {type, sum, exact, peer}: the SHA-256 of the model, and the logarithms of the
probabilities of each next token; peer only where PEER is set (keep.py).
"""
import hashlib
import json
import os
import sys

import exact
import golden
import keep


def answer(path, ids):
    with open(path, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    log_probs = exact.Model(path).log_probs(ids)
    out = {"type": os.path.basename(path).removesuffix(".gguf"), "sum": digest,
           "exact": [round(float(log_probs[i][ids[i + 1]]), 6) for i in range(len(ids) - 1)]}
    if keep.PEER:
        out["peer"] = [round(r["lp"], 4) for r in golden.peer(path, ids)[:-1]]
    return out


def main(folder, list_of_ids, target):
    ids = [int(i) for i in list_of_ids.split(",")]
    runs = [answer(os.path.join(folder, name), ids) for name in sorted(os.listdir(folder)) if name.endswith(".gguf")]
    with open(target, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in runs) + "\n]\n")


main(*sys.argv[1:])
