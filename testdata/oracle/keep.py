"""Writing golden files so that running the tools twice, or on another machine, changes nothing.

A file is written only where its content is another one: float64 sums differ in their
last bits between machines, and a golden file holds seven decimals. With check set
nothing is written, and a file that would change is an error.
"""
import json
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOLERANCE = 2e-7  # two units of the seventh decimal

# The folder where `npm install node-llama-cpp@3.22.1 @node-llama-cpp/linux-x64@3.22.1`
# was run, on x86-64 Linux; None where llama.cpp is not at hand.
PEER = os.environ.get("PEER") or None

check = False
changed = []  # paths that were, or with check would be, written


def path(*parts):
    """A path below the repository's root."""
    return os.path.join(ROOT, *parts)


def library(name):
    """The path of a library of llama.cpp v0.5.0, or None."""
    return PEER and os.path.join(PEER, "node_modules", "@node-llama-cpp", "linux-x64", "bins", "linux-x64", name)


def put(target, new, same=lambda old, new: old == new):
    """Writes the bytes new to target unless the file there is the same."""
    name = os.path.relpath(target, ROOT)
    if os.path.exists(target):
        with open(target, "rb") as f:
            if same(f.read(), new):
                print(f"{name}: unchanged")
                return
    changed.append(name)
    if check:
        print(f"{name}: WOULD CHANGE")
        return
    with open(target, "wb") as f:
        f.write(new)
    print(f"{name}: written")


def distance(a, b):
    """The largest difference of two JSON values; infinity where they are of different form."""
    if isinstance(a, float) or isinstance(b, float):
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            return abs(a - b)
        return float("inf")
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return max((distance(a[k], b[k]) for k in a), default=0)
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return max((distance(x, y) for x, y in zip(a, b)), default=0)
    return 0 if a == b else float("inf")


def put_json(target, value):
    """Writes a JSON value unless the file's is within the tolerance, and says how far it is."""

    def same(old, _):
        d = distance(json.loads(old), value)
        print(f"{os.path.relpath(target, ROOT)}: largest difference {d:.1e}")
        return d <= TOLERANCE

    put(target, json.dumps(value).encode(), same)
