"""Write the golden vectors of the operators of flow matching: paths, waves of times and points, shifts of channels,
attention.

    pip install -r requirements.txt
    python flow_ops.py

The rules are make.py's: float64 on the CPU, inputs drawn in float32 and seeded by the name of their case. Images are
stored NHWC. README.md lists what the file holds.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from make import normal, rng, uniform
from safetensors.torch import save


def path(case, spacing):
    """y and velocity of the straight path from z to x at 1 − (1 − u)ᵖ, among them both ends."""
    draw = rng(f"flow_path/{case}")
    z, x, u = normal(draw, 4, 6), normal(draw, 4, 6), uniform(draw, 0, 1, 4)
    u[0], u[1] = 0.0, 1.0
    t = 1 - (1 - u) ** spacing
    return {"z": z, "x": x, "u": u, "y": torch.lerp(z, x, t[:, None]), "velocity": x - z}


def features():
    """cos and sin of π 2ᵏ t, k from 0 to 5, in pairs."""
    t = uniform(rng("time_features/six"), 0, 1, 5)
    t[0], t[1] = 0.0, 1.0
    angles = torch.pi * 2.0 ** torch.arange(6, dtype=torch.float64) * t[:, None]
    return {"t": t, "y": torch.stack([angles.cos(), angles.sin()], 2).flatten(1)}


def blurred():
    """cos and sin of ω x times e^(−½ ω² σ²), σ = (1 − u)², and their derivatives along v."""
    draw = rng("blurred_waves/three")
    x, v, u = normal(draw, 9, 2), normal(draw, 9, 2), uniform(draw, 0.5, 1, 9)
    u[0], u[1] = 0.0, 1.0
    frequencies = torch.pi * 2.0 ** torch.arange(3, dtype=torch.float64)
    blur = torch.exp(-0.5 * (frequencies * (1 - u[:, None]) ** 2) ** 2)[:, None, :, None]

    def waves(x):
        angles = frequencies * x[:, :, None]
        return (blur * torch.stack([angles.cos(), angles.sin()], 3)).flatten(1)

    y, dy = torch.func.jvp(waves, (x,), (v,))
    return {"x": x, "u": u, "v": v, "y": y, "dy": dy}


def shift():
    """y = x + e, and the gradient of e."""
    draw = rng("shift/images")
    x, e, dy = normal(draw, 3, 4, 5, 2), normal(draw, 3, 2).requires_grad_(), normal(draw, 3, 4, 5, 2)
    y = x + e[:, None, None, :]
    (de,) = torch.autograd.grad(y, e, dy)
    return {"x": x, "e": e, "y": y, "dy": dy, "de": de}


def attention(name, n, h, w, heads, d):
    """y of qkv [n, h, w, 3 heads d] by scaled_dot_product_attention, and the gradient of qkv."""
    draw, c = rng(name), heads * d
    qkv, dy = normal(draw, n, h, w, 3 * c).requires_grad_(), normal(draw, n, h, w, c)
    parts = qkv.flatten(1, 2).split(c, 2)
    y = F.scaled_dot_product_attention(*[part.unflatten(2, (heads, d)).transpose(1, 2) for part in parts])
    y = y.transpose(1, 2).reshape(n, h, w, c)
    (dqkv,) = torch.autograd.grad(y, qkv, dy)
    return {"qkv": qkv, "y": y, "dy": dy, "dqkv": dqkv, "heads": torch.tensor([heads], dtype=torch.float64)}


def main():
    torch.set_num_threads(1)
    cases = {
        "flow_path/rows": path("rows", 1),
        "flow_path/spaced": path("spaced", 2.5),
        "time_features/six": features(),
        "blurred_waves/three": blurred(),
        "shift/images": shift(),
    }
    for kind, sizes in {"one": (2, 3, 3, 1, 5), "heads": (2, 4, 5, 3, 6)}.items():
        cases[f"attention/{kind}"] = attention(f"attention/{kind}", *sizes)
    tensors = {f"{case}/{name}": of.detach().contiguous() for case, all in cases.items() for name, of in all.items()}
    Path(__file__).with_name("flow_ops.safetensors").write_bytes(save(tensors))


if __name__ == "__main__":
    main()
