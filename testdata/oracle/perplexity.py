#!/usr/bin/env python3
"""The perplexity of the Gettysburg address under the built-in model, in float64.

usage: perplexity.py      (writes engine/perplexity/testdata/gettysburg.json)

As llama.cpp counts it: the text, with <s> before it, is cut into windows of n_ctx
tokens, the first token of each window is <s>, and the second half of each is scored.
"error" is the standard error of the mean, carried through the exponential.
"""
import numpy as np

import bpe
import exact
import gguf
import keep

N_CTX = 64


def main():
    folder = keep.path("engine", "perplexity", "testdata")
    model = exact.Model(keep.path("testdata", "sotu-8m-q4_k_m.gguf"))
    with open(folder + "/gettysburg.txt", encoding="ascii") as f:
        text = f.read()
    bos = gguf.get(model.meta, "tokenizer.ggml.bos_token_id")
    tokens = [bos, *bpe.encode(model.meta, text)]
    nll = []
    for at in range(0, len(tokens) - N_CTX + 1, N_CTX):
        window = [bos, *tokens[at + 1 : at + N_CTX]]
        lp = model.log_probs(window)
        nll += [-lp[i][window[i + 1]] for i in range(N_CTX // 2, N_CTX - 1)]
    ppl = float(np.exp(np.mean(nll)))
    error = float(ppl * np.std(nll, ddof=1) / np.sqrt(len(nll)))
    keep.put_json(folder + "/gettysburg.json", {"tokens": len(tokens), "n_ctx": N_CTX, "scored": len(nll), "ppl": ppl, "error": error})


if __name__ == "__main__":
    main()
