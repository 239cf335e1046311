#!/usr/bin/env python3
"""What float64 answers for the models of families.py, where a program computes the family.

usage: families_exact.py GENERATOR PROGRAMS FAMILIES.json [NAME...]
GENERATOR is the program that writes the models. exact.py computes the families it knows;
PROGRAMS is the folder of programs that compute others: each reads MODEL GIVEN.json, whose
"ids" are the tokens, and leaves the logarithms of the probabilities of each next token in
`mine`. The answers go into the runs of FAMILIES.json as "exact". GGML_BASE names the peer's
libggml-base.so, with which the programs read files.
"""
import contextlib, hashlib, io, json, os, subprocess, sys, tempfile

import exact
from families import IDS

HERE = (
    "llama-moe", "qwen2", "qwen2vl", "qwen3", "qwen3vl", "qwen3moe", "qwen3vlmoe", "qwen2moe", "glm4moe", "ernie4_5",
    "ernie4_5-moe", "hunyuan-moe", "minimax-m2", "seed_oss", "smollm3", "granite", "granitemoe",
)
PROGRAMS = {  # of runs with all features
    "deepseek2": "deepseek2.py", "deepseek2-kvb": "deepseek2.py", "deepseek2-lite": "deepseek2.py", "mistral4": "deepseek2.py",
    "gemma4": "gemma4.py", "gemma4-moe": "gemma4.py", "gpt-oss": "nemotron_lfm2_gptoss.py", "lfm2": "nemotron_lfm2_gptoss.py",
    "nemotron_h_moe": "nemotron_lfm2_gptoss.py", "qwen35": "qwen35.py",
}


def answer(generator, program, run):
    with tempfile.TemporaryDirectory() as folder:
        path, given = os.path.join(folder, "model.gguf"), os.path.join(folder, "given.json")
        subprocess.run([sys.executable, "-B", generator, run["name"], path, "--seed", str(run["seed"]), "--embd", str(run["embd"])], check=True, stdout=subprocess.DEVNULL)
        with open(path, "rb") as f:
            if hashlib.sha256(f.read()).hexdigest() != run["sum"]:
                sys.exit(f"{run['name']}, seed {run['seed']}: not the model that the peer was asked about")
        if run["name"] in HERE:
            rows = exact.Model(path).log_probs(IDS)
            return [round(float(rows[i, IDS[i + 1]]), 6) for i in range(len(IDS) - 1)]
        with open(given, "w") as f:
            json.dump({"ids": IDS, "rows": [{"lp": p} for p in run["lp"]]}, f)
        scope, argv = {"__name__": "__main__", "__file__": program}, sys.argv
        sys.argv = [program, path, given]
        with open(program) as f, contextlib.redirect_stdout(io.StringIO()):
            exec(compile(f.read(), program, "exec"), scope)
        sys.argv = argv
    return [round(float(p), 6) for p in scope["mine"]]


def main(generator, programs, path, *names):
    with open(path) as f:
        runs = json.load(f)
    for run in runs:
        if run["name"] in (*HERE, *PROGRAMS) and not run["without"] and (not names or run["name"] in names):
            run["exact"] = answer(generator, os.path.join(programs, PROGRAMS.get(run["name"], "")), run)
            print(run["name"], run["embd"], run["seed"], sum(abs(a - b) for a, b in zip(run["exact"], run["lp"])) / len(run["lp"]))
    with open(path, "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(r, separators=(",", ":")) for r in runs) + "\n]\n")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
