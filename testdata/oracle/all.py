#!/usr/bin/env python3
"""Regenerates every golden value of the repository: `make golden`.

usage: all.py [--check] [--offline]

First the oracle is tried against itself (self_test.py); then each tool writes its
files, where they differ. --check writes nothing and fails where a file would change.
llama.cpp's answers need llama.cpp (PEER=FOLDER, see keep.py); without it they stay as
they are and the exit status is 2, or 0 with --offline.
"""
import argparse
import sys
import unittest

import keep

sys.stdout.reconfigure(line_buffering=True)
p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--check", action="store_true", help="write nothing; fail where a file would change")
p.add_argument("--offline", action="store_true", help="leave llama.cpp's answers as they are without failing")
o = p.parse_args()
keep.check = o.check

import blocks
import encode
import golden
import grids
import models
import perplexity
import self_test
import tokens
import vocab

tests = unittest.defaultTestLoader.loadTestsFromModule(self_test)
if not unittest.TextTestRunner(stream=sys.stdout).run(tests).wasSuccessful():
    sys.exit(1)
grids.main()
blocks.main()
encode.main()
golden.update(keep.path("testdata", "sotu-8m-q4_k_m.gguf"))
models.qwen3()
models.iq4_nl()
perplexity.main()
vocab.main()
if not keep.PEER:
    print("testdata/*.golden.json: top and lp left as they are: they are llama.cpp's, and PEER does not say where that is")
try:
    tokens.main()
except SystemExit as e:
    if e.code != 2 or not o.offline:
        raise
sys.exit(1 if keep.check and keep.changed else 0)
