"""Write the golden penalties: the gradient by a network's weights of a penalty on its gradient by the input.

    pip install -r requirements.txt
    python penalty.py

The rules are make.py's: float64 on the CPU; weights and inputs are drawn in float32, and hyperparameters rounded to it.
PyTorch differentiates twice (`create_graph=True`). README.md lists what the file holds.
"""

from pathlib import Path

import torch
from make import MinibatchStd, f32, normal, rng
from safetensors.torch import save
from torch import nn

GAMMA = f32(2.5)
SLOPE = f32(0.2)  # of LeakyReLU


def spectral(layer):
    return nn.utils.spectral_norm(layer, n_power_iterations=1, eps=1e-12)


NETWORKS = {
    "linear": ((12,), lambda: [nn.Linear(12, 9), nn.LeakyReLU(SLOPE), nn.Linear(9, 5), nn.ReLU(), nn.Linear(5, 1)]),
    "conv": ((2, 8, 7), lambda: [nn.Conv2d(2, 3, (4, 3), 2, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(3, 1, (4, 4))]),
    "pooled": (
        (2, 6, 4),
        lambda: [nn.Conv2d(2, 3, 3, 1, 1), nn.LeakyReLU(SLOPE), nn.MaxPool2d(2), nn.Upsample(scale_factor=2),
                 nn.Conv2d(3, 1, (6, 4))],
    ),
    "averaged": (
        (2, 6, 4),
        lambda: [nn.Conv2d(2, 3, 3, 1, 1), nn.LeakyReLU(SLOPE), nn.AvgPool2d(2), nn.Conv2d(3, 1, (3, 2))],
    ),
    "deviation": (
        (2, 8, 7),
        lambda: [nn.Conv2d(2, 3, (4, 3), 2, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(3, 4, 3, 1, 1), nn.LeakyReLU(SLOPE),
                 MinibatchStd(4), nn.Conv2d(5, 1, (4, 4))],
    ),
    "transposed": (
        (3, 2, 3),
        lambda: [nn.ConvTranspose2d(3, 2, (4, 4), 2, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(2, 1, (4, 6))],
    ),
    "spectral": (
        (2, 8, 7),
        lambda: [spectral(nn.Conv2d(2, 3, (4, 3), 2, 1)), nn.LeakyReLU(SLOPE), spectral(nn.Conv2d(3, 1, (4, 4)))],
    ),
}


def penalty(kind, g):
    """The penalty of each row of g."""
    norms = g.flatten(1).norm(dim=1)
    return GAMMA * (norms**2 / 2 if kind == "r1" else (norms - 1) ** 2)


def main():
    torch.set_num_threads(1)
    tensors = {"gamma": torch.tensor([GAMMA], dtype=torch.float64)}
    for name, (size, layers) in NETWORKS.items():
        torch.manual_seed(3)
        network = nn.Sequential(*layers()).double().eval()  # eval: singular vectors stay
        draw = rng(f"penalty/{name}")
        x = normal(draw, 4, *size)
        with torch.no_grad():
            # Large enough that norms lie on both sides of one.
            for parameter in network.parameters():
                parameter.mul_(f32(2.0))
        # Channels last, as frit has images.
        tensors[f"{name}/x"] = (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).contiguous()
        keep = dict(network.named_parameters()) | dict(network.named_buffers())
        tensors |= {f"{name}/layers.{key}": tensor.detach().clone().contiguous() for key, tensor in keep.items()}
        for kind in ("r1", "gp"):
            at = x.clone().requires_grad_()
            (g,) = torch.autograd.grad(network(at).sum(), at, create_graph=True)
            rows = penalty(kind, g)
            network.zero_grad()
            rows.mean().backward()
            tensors[f"{name}/{kind}/rows"] = rows.detach()
            for key, parameter in network.named_parameters():
                grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                tensors[f"{name}/{kind}/layers.{key}"] = grad.clone().contiguous()
    Path(__file__).with_name("penalty.safetensors").write_bytes(save(tensors))


if __name__ == "__main__":
    main()
