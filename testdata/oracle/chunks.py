#!/usr/bin/env python3
"""What the peer answers for a small random model of llama4 where its second chunk begins.

usage: chunks.py GENERATOR PEER OUT.json
GENERATOR and PEER are those of families.py. OUT.json has {name, seed, embd, sum, from, lp}:
lp are the logarithms of the probabilities of each next token from position `from` on.
"""
import hashlib, json, os, subprocess, sys, tempfile

NAME, SEED, EMBD = "llama4", 21, 64
CHUNK, BEFORE, BEYOND = 8192, 32, 160
IDS = [1] + [3 + (i * i * 7 + i * 13) % 257 for i in range(CHUNK + BEYOND)]  # as families.py has them


def main(generator, peer, out):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        subprocess.run([sys.executable, "-B", generator, NAME, path, "--seed", str(SEED), "--embd", str(EMBD)], check=True, stdout=subprocess.DEVNULL)
        with open(path, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        here = os.path.dirname(os.path.abspath(__file__))
        rows = json.loads(subprocess.run(["node", os.path.join(here, "peer.mjs"), peer, path, ",".join(map(str, IDS))], check=True, stdout=subprocess.PIPE).stdout)
    first = CHUNK - BEFORE
    with open(out, "w") as f:
        json.dump({"name": NAME, "seed": SEED, "embd": EMBD, "sum": digest, "from": first, "lp": [round(r["lp"], 4) for r in rows[first:-1]]}, f)
        f.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
