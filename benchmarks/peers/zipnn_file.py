"""zipnn_file.py pack|unpack DTYPE IN OUT [BASE]: one file through ZipNN as a whole process; with BASE, XORed against it."""
import sys
import warnings

warnings.simplefilter("ignore")
import zipnn  # noqa: E402

verb, dtype, source, target, *base = sys.argv[1:]
kind = {"bytearray_dtype": dtype, "input_format": "byte", "threads": 2}
other = {}
if base:
    kind["delta_compressed_type"] = "byte"
    other = {"delta_second_data": open(base[0], "rb").read()}
data = open(source, "rb").read()
coder = zipnn.ZipNN(**kind)
out = coder.compress(data, **other) if verb == "pack" else coder.decompress(data, **other)
open(target, "wb").write(out)
