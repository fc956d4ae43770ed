"""Makes this folder: a tiny random model of image patches, a LoRA adapter on its convolution and attention, and what peft computes.

torch 2.15, peft 0.21.2. plain.onnx and packed.onnx are torch's TorchScript exports; in the second query, key and value are one matrix.
Run in this folder: python make.py
"""
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

WIDE, HEADS, COUNT = 8, 2, 16


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(WIDE, WIDE))
        self.packed = False

    def forward(self, x):
        if self.packed:
            parts = (self.q_proj, self.k_proj, self.v_proj)
            weight = torch.cat([p.weight for p in parts])
            q, k, v = F.linear(x, weight, torch.cat([p.bias for p in parts])).split(WIDE, -1)
        else:
            q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        q, k, v = (t.reshape(-1, COUNT, HEADS, WIDE // HEADS).transpose(1, 2) for t in (q, k, v))
        scores = q @ k.transpose(2, 3) * (WIDE // HEADS) ** -0.5
        return self.o_proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, COUNT, WIDE))


class Patches(nn.Module):
    def __init__(self):
        super().__init__()
        self.projection = nn.Conv2d(3, WIDE, 2, stride=2)
        self.norm = nn.LayerNorm(WIDE)
        self.attention = Attention()
        self.classifier = nn.Linear(WIDE, 3)

    def forward(self, pixels):
        x = self.projection(pixels).reshape(-1, WIDE, COUNT).transpose(1, 2)
        return self.classifier((x + self.attention(self.norm(x))).mean(1))


def shake(parameters):
    with torch.no_grad():
        for p in parameters:
            p.add_(torch.randn_like(p) * 0.3)


torch.manual_seed(5)
model = Patches().eval()
shake(model.parameters())
pixels = torch.randn(2, 3, 8, 8)
save_file(model.state_dict(), "model.safetensors", {"format": "pt"})
base = model(pixels)
for name in ("plain", "packed"):
    model.attention.packed = name == "packed"
    torch.onnx.export(
        model, (pixels,), name + ".onnx", dynamo=False, opset_version=17, input_names=["pixels"], output_names=["logits"],
        dynamic_axes={"pixels": {0: "batch"}, "logits": {0: "batch"}})
model.attention.packed = False
targets = ["projection", "q_proj", "v_proj", "o_proj"]
config = LoraConfig(r=2, lora_alpha=4, target_modules=targets, rank_pattern={"projection": 3}, modules_to_save=["classifier"])
adapted = get_peft_model(model, config).eval()
shake(p for n, p in adapted.named_parameters() if "lora_" in n or "modules_to_save" in n)
adapted.save_pretrained("adapter")
io = {"pixels": pixels, "base": base, "adapted": adapted(pixels)}
save_file({k: v.detach().contiguous() for k, v in io.items()}, "io.safetensors")
