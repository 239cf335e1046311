"""The peer's quantiser: python3 peer_quantize.py IN.gguf OUT.gguf TYPE

TYPE is a mix as `eclat quantize` names it. GGML_BASE names the peer's libggml-base.so,
beside which its libllama lies. Only the tests of eclat's own quantiser need this.
"""
import ctypes
import glob
import os
import sys

# llama.cpp's enum llama_ftype
FTYPES = {"Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13,
          "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30}


class Params(ctypes.Structure):
    """llama_model_quantize_params: the head that is set here, and room for the rest."""
    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int32), ("rest", ctypes.c_char * 504)]


def main():
    source, target, name = sys.argv[1:]
    folder = os.path.dirname(os.environ["GGML_BASE"])
    library = sorted(p for p in glob.glob(os.path.join(folder, "libllama*.so")) if "common" not in p)[0]
    llama = ctypes.CDLL(library)
    llama.llama_model_quantize_default_params.restype = Params
    llama.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(Params)]
    llama.llama_model_quantize.restype = ctypes.c_uint32
    llama.llama_backend_init()
    params = llama.llama_model_quantize_default_params()
    params.ftype, params.nthread = FTYPES[name], 1
    sys.exit(llama.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params)))


main()
