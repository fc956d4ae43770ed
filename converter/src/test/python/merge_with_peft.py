"""Makes bases and adapters with torch and peft, and lets peft merge them.

    python merge_with_peft.py FOLDER

Per case: FOLDER/CASE/base.safetensors, FOLDER/CASE/adapter/, FOLDER/CASE/merged.safetensors.
"""
import os
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from torch import nn

root = sys.argv[1]


class Layers(nn.Module):
    """Odd sizes, so that no kernel can do without its remainder loops."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(517, 131)
        self.up = nn.Linear(131, 389, bias=False)
        self.down = nn.Linear(389, 131, bias=False)
        self.mix = nn.Conv1d(131, 67, 3)

    def forward(self, x):
        return self.down(self.up(self.embed(x)))


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.randn(5, 94, 61) * 0.1)
        self.down_proj = nn.Parameter(torch.randn(5, 61, 47) * 0.1)

    def forward(self, x):
        return x


class Stack(nn.Module):
    def __init__(self):
        super().__init__()
        self.experts = Experts()

    def forward(self, x):
        return self.experts(x)


def case(name, kind, dtype, **config):
    torch.manual_seed(len(name))
    folder = os.path.join(root, name)
    model = kind().to(dtype)
    base = {k: v.clone() for k, v in model.state_dict().items()}
    os.makedirs(folder)
    save_file(base, os.path.join(folder, "base.safetensors"))
    adapted = get_peft_model(model, LoraConfig(**config))
    for key, value in adapted.named_parameters():
        if "lora_" in key:
            nn.init.normal_(value, std=0.05)
    adapted.save_pretrained(os.path.join(folder, "adapter"))
    fresh = kind().to(dtype)
    fresh.load_state_dict(base)
    merged = PeftModel.from_pretrained(fresh, os.path.join(folder, "adapter")).merge_and_unload()
    save_file({k: v.contiguous() for k, v in merged.state_dict().items()}, os.path.join(folder, "merged.safetensors"))


linear = dict(target_modules=["up", "down"])
for dtype in (torch.float32, torch.bfloat16, torch.float16):
    suffix = str(dtype).split(".")[1]
    case(f"linear-r64-{suffix}", Layers, dtype, r=64, lora_alpha=48, use_rslora=True, **linear)
    case(f"linear-r192-{suffix}", Layers, dtype, r=192, lora_alpha=17, **linear)
    case(f"embedding-{suffix}", Layers, dtype, r=9, lora_alpha=4, target_modules=["embed"])
    case(f"convolution-{suffix}", Layers, dtype, r=6, lora_alpha=5, target_modules=["mix"])
    case(f"experts-{suffix}", Stack, dtype, r=7, lora_alpha=5, target_modules=[],
         target_parameters=["experts.gate_up_proj", "experts.down_proj"])
