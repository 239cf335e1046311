#!/usr/bin/env python3
"""llama.cpp's token ids for the texts of the tokenizer's tests: ../tokenizer/*.ids.

usage: PEER=FOLDER tokens.py

PEER is where llama.cpp is installed (keep.py); its library is asked through ctypes,
for some texts are no UTF-8. Without it the files stay as they are, and the exit
status is 2: another engine's answers cannot be recomputed here.

Each line of an .ids file belongs to a line of texts.txt, a string with Go's escapes:
the ids, and after a bar those with special tokens parsed, where they differ.
"""
import ctypes
import glob
import os
import re
import sys
import tempfile

import gguf
import keep

FOLDER = keep.path("testdata", "tokenizer")
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def unquote(line):
    """The bytes of a Go string literal."""
    out, at = b"", 1
    for m in re.finditer(r'\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt"\\])', line):
        e = m[1]
        out += line[at : m.start()].encode()
        out += bytes([int(e[1:], 16)]) if e[0] == "x" else (ESCAPES.get(e) or chr(int(e[1:], 16))).encode()
        at = m.end()
    return out + line[at : line.rindex('"')].encode()


class Params(ctypes.Structure):
    """llama_model_params of v0.5.0."""

    _fields_ = [
        *[(name, ctypes.c_void_p) for name in ("devices", "tensor_buft_overrides")],
        *[(name, ctypes.c_int32) for name in ("n_gpu_layers", "split_mode", "load_mode", "lazy_mode", "main_gpu")],
        *[(name, ctypes.c_void_p) for name in ("tensor_split", "progress", "progress_data", "kv_overrides")],
        *[(name, ctypes.c_bool) for name in ("vocab_only", "check_tensors", "use_extra_bufts", "no_host", "no_alloc", "load_mtp")],
    ]


class Peer:
    """llama.cpp with one vocabulary loaded."""

    def __init__(self, library):
        folder = os.path.dirname(os.path.abspath(library))
        self.lib = lib = ctypes.CDLL(library)
        for path in glob.glob(os.path.join(folder, "libggml.*so")):
            ctypes.CDLL(path).ggml_backend_load_all_from_path(folder.encode())
        lib.llama_model_default_params.restype = Params
        lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Params]
        lib.llama_model_load_from_file.restype = lib.llama_model_get_vocab.restype = ctypes.c_void_p
        lib.llama_model_get_vocab.argtypes = lib.llama_model_free.argtypes = [ctypes.c_void_p]
        lib.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]
        self.quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *_: None)
        lib.llama_log_set(self.quiet, None)

    def rows(self, path, texts):
        """The lines of an .ids file for a vocabulary."""
        params = self.lib.llama_model_default_params()
        params.vocab_only = True
        model = self.lib.llama_model_load_from_file(path.encode(), params)
        if not model:
            raise SystemExit(f"llama.cpp does not load {path}")
        vocab = self.lib.llama_model_get_vocab(model)

        def ids(text, special):
            room = (ctypes.c_int32 * (4 * len(text) + 16))()
            n = self.lib.llama_tokenize(vocab, text, len(text), room, len(room), False, special)
            if n < 0:
                raise SystemExit(f"llama.cpp wants room for {-n} tokens of {len(text)} bytes")
            return " ".join(map(str, room[:n]))

        out = []
        for text in texts:
            plain, special = ids(text, False), ids(text, True)
            out.append(plain if plain == special else plain + " | " + special)
        self.lib.llama_model_free(model)
        return out


def texts():
    """The texts of the tests, as bytes."""
    with open(FOLDER + "/texts.txt", encoding="utf-8", newline="\n") as f:
        return [unquote(line) for line in f.read().split("\n")[:-1]]


def main():
    files = sorted(os.path.basename(f) for f in glob.glob(FOLDER + "/*.ids"))
    if not keep.PEER:
        print("testdata/tokenizer/*.ids: left as they are: they are llama.cpp's, and PEER does not say where that is")
        sys.exit(2)
    peer = Peer(keep.library("libllama.v0.5.0.so"))  # another version would lay its parameters out otherwise
    for name in files:
        pre = name.removesuffix(".ids").removeprefix("bpe-")
        source = "bpe.gguf" if name.startswith("bpe-") else pre.split("-")[0] + ".gguf"
        meta, tensors = gguf.read(os.path.join(FOLDER, source))
        if source == "bpe.gguf":
            meta["tokenizer.ggml.pre"] = (gguf.STRING, pre)
        elif source == "spm.gguf":
            meta["tokenizer.ggml.add_space_prefix"] = (gguf.BOOL, pre == "spm")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "vocabulary.gguf")
            gguf.write(path, meta, tensors)
            keep.put(os.path.join(FOLDER, name), ("\n".join(peer.rows(path, texts())) + "\n").encode())


if __name__ == "__main__":
    main()
