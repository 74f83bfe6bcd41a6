"""Makes norms.safetensors: batch, instance, group, layer and spectral normalisation as PyTorch computes them in
float64.

    pip install -r requirements.txt
    python norms.py

The rules are make.py's: inputs and hyperparameters are exact in float32, every draw is seeded by the name of its
case, and a rerun gives the same bytes. Images are stored NHWC, as frit has them.
"""

from pathlib import Path

import torch
from make import f32, normal, rng, uniform
from safetensors.torch import save
from torch import nn

EPSILON, MOMENTUM = f32(1e-5), f32(0.1)
N, C, H, W = 3, 4, 4, 6
GROUPS = 2

TENSORS = {}


def store(name, **tensors):
    """Adds tensors under `name/`; images become NHWC, a scalar a tensor of one element."""
    for key, value in tensors.items():
        value = torch.as_tensor(value, dtype=torch.float64).detach()
        if value.dim() == 4:
            value = value.permute(0, 2, 3, 1)
        TENSORS[f"{name}/{key}"] = value.reshape(1) if value.dim() == 0 else value.contiguous().clone()


def affine(module, draw):
    """Gives a module in float64 weights about one and biases about zero."""
    module.double()
    with torch.no_grad():
        module.weight.copy_(uniform(draw, 0.3, 1.7, *module.weight.shape))
        module.bias.copy_(normal(draw, *module.bias.shape))
    return module


def step(name, module, x, dy):
    """Stores x, y = module(x), dy and the gradients; in training, this moves running statistics."""
    x = x.clone().requires_grad_()
    y = module(x)
    dx, dweight, dbias = torch.autograd.grad(y, [x, module.weight, module.bias], dy)
    store(name, x=x, y=y, dy=dy, dx=dx, dweight=dweight, dbias=dbias)


def batch_norm():
    """Two steps of training, then the evaluation of the second batch; the images lie some deviations off zero."""
    draw = rng("batch_norm")
    module = affine(nn.BatchNorm2d(C, eps=EPSILON, momentum=MOMENTUM), draw)
    with torch.no_grad():
        module.running_mean.copy_(normal(draw, C))
        module.running_var.copy_(uniform(draw, 0.3, 1.7, C))
    store("batch_norm/start", weight=module.weight, bias=module.bias, epsilon=EPSILON, momentum=MOMENTUM)
    store("batch_norm/start", running_mean=module.running_mean, running_var=module.running_var)
    for case in ("step1", "step2"):
        x = normal(draw, N, C, H, W) + 4.0
        step(f"batch_norm/{case}", module, x, normal(draw, N, C, H, W))
        store(f"batch_norm/{case}", running_mean=module.running_mean, running_var=module.running_var)
    module.eval()
    step("batch_norm/eval", module, x, normal(draw, N, C, H, W))


def others():
    """One forward and backward pass each."""
    modules = {
        "group_norm/groups": nn.GroupNorm(GROUPS, C, eps=EPSILON),
        "group_norm/instance": nn.InstanceNorm2d(C, eps=EPSILON, affine=True),
        "layer_norm/rows": nn.LayerNorm(C + 7, eps=EPSILON),
    }
    for case, module in modules.items():
        draw = rng(case)
        affine(module, draw)
        shape = (5, C + 7) if case.startswith("layer") else (N, C, H, W)
        store(case, weight=module.weight, bias=module.bias, epsilon=EPSILON)
        if case.startswith("group"):
            store(case, groups=GROUPS if case.endswith("groups") else C)
        step(case, module, normal(draw, *shape) + 4.0, normal(draw, *shape))


def spectral_norm():
    """A linear layer's weight after one forward pass in training, and in evaluation after it; dy is the gradient of
    the normalised weight y, dw that of w."""
    draw = rng("spectral_norm")
    m, n = 5, 12
    layer = nn.Linear(n, m, bias=False).double()
    w, u, v = normal(draw, m, n), normal(draw, m), normal(draw, n)
    nn.utils.spectral_norm(layer, n_power_iterations=1, eps=1e-12)
    with torch.no_grad():
        layer.weight_orig.copy_(w)
        layer.weight_u.copy_((u / u.norm()).float())
        layer.weight_v.copy_((v / v.norm()).float())
    store("spectral_norm/start", w=w, u=layer.weight_u, v=layer.weight_v)
    for case in ("train", "eval"):
        layer.train(case == "train")
        dy = normal(draw, m, n)
        layer(torch.zeros(1, n, dtype=torch.float64))  # recomputes layer.weight
        (dw,) = torch.autograd.grad(layer.weight, layer.weight_orig, dy)
        store(f"spectral_norm/{case}", y=layer.weight, u=layer.weight_u, v=layer.weight_v, dy=dy, dw=dw)


def main():
    torch.set_num_threads(1)
    for group in (batch_norm, others, spectral_norm):
        group()
    Path(__file__).with_suffix(".safetensors").write_bytes(save(TENSORS))


if __name__ == "__main__":
    main()
