#!/usr/bin/env python3
"""What the peer answers for small random models of the families that eclat runs.

usage: families.py GENERATOR PEER OUT.json [NAME...]
GENERATOR is the program that writes the models (`GENERATOR NAME OUT.gguf --seed N --embd N
--without FEATURE`), PEER the folder where `npm install node-llama-cpp@3.22.1` was run.
OUT.json keeps what it has of other names: a list of {name, seed, embd, without, sum, lp}, sum
being the SHA-256 of the model and lp the logarithms of the probabilities of each next token.
"""
import hashlib, json, os, subprocess, sys, tempfile

SEEDS, WIDTHS = (1, 2, 3), (64, 256)
# Others by width, of a family with seeds that choose experts by a hair: keys in float16 alone
# move the answers of the first, of width 64, by 0.1. The peer ends where a model of llama4
# has no layer that sees all, as those of width 256 do.
OTHER_SEEDS = {"gemma4-moe": {64: (3, 2, 7), 256: (1, 2, 3)}, "llama4": {64: (1, 2, 3), 128: (1, 2, 3)}}
NAMES = {  # with the features that a file can go without
    "qwen2": "bias", "qwen3": "qk-norm-weight", "mistral3": "yarn attn-temperature", "gemma": "",
    "gemma2": "attn-softcap final-softcap window", "gemma3": "window rope-base-swa rope-scale qk-norm-weight",
    "phi3": "long-rope attn-factor", "granite": "logit-scale residual-scale embedding-scale attention-scale",
    "smollm3": "", "glm4": "bias", "olmo2": "window yarn qk-norm-weight", "exaone4": "rope-freqs qk-norm-weight",
    "exaone4-64": "window qk-norm-weight", "seed_oss": "bias", "ernie4_5": "", "hunyuan-dense": "qk-norm-weight ntk-alpha",
    "cohere2": "window logit-scale",
    "deepseek2": "yarn mscale groups norm-top-k expert-scale selection-bias shared-expert",
    "deepseek2-kvb": "yarn mscale expert-scale shared-expert", "deepseek2-lite": "yarn mscale expert-scale shared-expert",
    "mistral4": "yarn attn-temperature norm-top-k shared-expert",
    "gemma4": "window proportional-rope final-softcap per-layer-input layer-scale qk-norm-weight",
    "gemma4-moe": "window proportional-rope final-softcap layer-scale router-scale expert-scale qk-norm-weight",
    "gpt-oss": "window sinks yarn bias router-bias expert-bias", "llama-moe": "rope-freqs",
    "qwen2vl": "bias", "qwen3vl": "qk-norm-weight", "qwen3vlmoe": "qk-norm-weight", "qwen3moe": "qk-norm-weight",
    "qwen2moe": "bias shared-expert shared-gate", "granitemoe": "logit-scale residual-scale embedding-scale attention-scale shared-expert",
    "glm4moe": "bias selection-bias shared-expert norm-top-k expert-scale qk-norm-weight",
    "ernie4_5-moe": "selection-bias shared-expert", "hunyuan-moe": "qk-norm-weight shared-expert",
    "minimax-m2": "qk-norm-weight selection-bias", "lfm2": "qk-norm-weight", "lfm2moe": "qk-norm-weight selection-bias",
    "nemotron_h": "conv-bias skip-d", "nemotron_h_moe": "conv-bias skip-d selection-bias norm-top-k expert-scale shared-expert",
    "granitehybrid": "logit-scale residual-scale embedding-scale attention-scale conv-bias skip-d rope",
    "qwen35": "qk-norm-weight", "qwen35moe": "qk-norm-weight shared-expert shared-gate", "qwen3next": "qk-norm-weight shared-expert shared-gate",
    "stablelm": "norm-bias bias qk-norm-weight", "starcoder2": "norm-bias bias", "nemotron": "norm-bias bias",
    "bitnet": "tensor-scale sub-norm", "falcon-h1": "conv-bias skip-d", "llama4": "shared-expert",
}
# Models in which two experts of a row are so close that the peer, or eclat, whose memory is
# float16, takes the other one than float64: another seed instead, by name, seed and feature.
INSTEAD = {("deepseek2-kvb", 3, ""): 4, ("deepseek2-lite", 1, ""): 4, ("deepseek2", 1, "expert-scale"): 2}
VOCABULARY = 260  # no model has fewer tokens
IDS = [1] + [3 + (i * i * 7 + i * 13) % (VOCABULARY - 3) for i in range(63)]


def answer(generator, peer, name, seed, embd, without):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.gguf")
        subprocess.run([sys.executable, "-B", generator, name, path, "--seed", str(seed), "--embd", str(embd), "--without", without], check=True, stdout=subprocess.DEVNULL)
        with open(path, "rb") as f:
            digest = hashlib.sha256(f.read()).hexdigest()
        here = os.path.dirname(os.path.abspath(__file__))
        out = subprocess.run(["node", os.path.join(here, "peer.mjs"), peer, path, ",".join(map(str, IDS))], check=True, stdout=subprocess.PIPE).stdout
    return {"name": name, "seed": seed, "embd": embd, "without": without, "sum": digest, "lp": [round(r["lp"], 4) for r in json.loads(out)[:-1]]}


def main(generator, peer, path, *names):
    names = names or tuple(NAMES)
    kept = json.load(open(path)) if os.path.exists(path) else []
    runs = [r for r in kept if r["name"] not in names]
    for name in names:
        seeds = OTHER_SEEDS.get(name) or dict.fromkeys(WIDTHS, SEEDS)
        for case in [(s, w, "") for w in seeds for s in seeds[w]] + [(seeds[64][0], 64, f) for f in NAMES[name].split()]:
            seed, embd, without = case
            runs.append(answer(generator, peer, name, INSTEAD.get((name, seed, without), seed), embd, without))
    runs.sort(key=lambda r: (r["name"], r["without"], r["embd"], r["seed"]))
    with open(path, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in runs) + "\n]\n")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
