#!/usr/bin/env python3
"""Perplexity in float64, the golden figures of perplexity_test.go.

usage: exact.py MODEL.gguf TOKENS.txt N_CTX > gettysburg.json
PYTHONPATH names the folder of the oracle exact.py, whose forward() computes the
model in float64 from the weights as the ggml library decodes them (GGML_BASE).
TOKENS.txt is what `eclat tokenize MODEL < gettysburg.txt` prints.
"""
import importlib.util, json, os, sys
import numpy as np
for d in os.environ["PYTHONPATH"].split(":"):
    path = os.path.join(d, "exact.py")
    if os.path.exists(path) and not os.path.samefile(path, __file__):
        spec = importlib.util.spec_from_file_location("oracle", path)
        oracle = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(oracle)
meta, tensors = oracle.read(sys.argv[1])
bos, n = meta["tokenizer.ggml.bos_token_id"], int(sys.argv[3])
tokens = [bos] + [int(x) for x in open(sys.argv[2]).read().split()]
nll = []
for at in range(0, len(tokens) - n + 1, n):
    w = [bos] + tokens[at + 1 : at + n]
    lp = oracle.forward(meta, tensors, w)
    nll += [-lp[i][w[i + 1]] for i in range(n // 2, n - 1)]
ppl = float(np.exp(np.mean(nll)))
json.dump({"tokens": len(tokens), "n_ctx": n, "scored": len(nll), "ppl": ppl,
           "error": float(ppl * np.std(nll, ddof=1) / np.sqrt(len(nll)))}, sys.stdout)
print()
