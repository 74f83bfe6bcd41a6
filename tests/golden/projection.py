"""Write the golden projections: latents that Adam moves until a network's images are near to given ones.

    pip install -r requirements.txt
    python projection.py

The rules are make.py's: float64 on the CPU; weights, images and starts are drawn in float32, and hyperparameters
rounded to it. The networks are those of models.py, in evaluation mode. README.md lists what the file holds.
"""

import math
from pathlib import Path

import torch
from make import BETAS, EPSILON, f32, normal, rng
from models import Ae, ConvVae, Dcgan
from safetensors.torch import save
from torch import nn

STEPS = 12
LR = f32(0.1)


def dcgan():
    """A generator with running statistics that are not those of a start."""
    generator = Dcgan().generator
    for norm in [layer for layer in generator if isinstance(layer, nn.BatchNorm2d)]:
        norm.running_mean.copy_(normal(rng("mean"), norm.num_features) * 0.05)
        norm.running_var.copy_(normal(rng("variance"), norm.num_features).abs() * 0.01 + 0.002)
    return "generator", generator, lambda z: generator(z[:, :, None, None]) / 2 + 0.5, 4, (3, 9, 12)


def conv_vae():
    decoder = ConvVae().decoder
    return "decoder", decoder, lambda z: torch.sigmoid(decoder(z)), 3, (1, 14, 9)


def ae():
    decoder = Ae().decoder
    return "decoder", decoder, lambda z: torch.sigmoid(decoder(z)), 3, (36,)


def project(name, build):
    torch.manual_seed(7)
    prefix, network, draw, latent, image = build()
    network.double().eval()
    draws = rng(name)
    x = torch.from_numpy(draws.random((4, *image), dtype="float32")).double()
    z = normal(draws, 4, latent).requires_grad_()
    adam = torch.optim.Adam([z], lr=LR, betas=BETAS, eps=EPSILON)
    cosine = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 0.5 * (1 + math.cos(math.pi * step / STEPS)))
    start, errors, path = z.detach().clone(), [], []
    for _ in range(STEPS):
        adam.zero_grad()
        error = (draw(z) - x).square().flatten(1).sum(1)
        error.sum().backward()
        adam.step()
        cosine.step()
        errors.append(error.detach())
        path.append(z.detach().clone())
    weights = {f"{prefix}.{key}": value for key, value in network.state_dict().items() if value.is_floating_point()}
    x = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
    tensors = {"x": x, "start": start, "errors": torch.stack(errors), "z": torch.stack(path), **weights}
    return {f"{name}/{key}": value.double().contiguous() for key, value in tensors.items()}


if __name__ == "__main__":
    files = [project(build.__name__, build) for build in (dcgan, conv_vae, ae)]
    tensors = {name: value for file in files for name, value in file.items()}
    Path(__file__).with_suffix(".safetensors").write_bytes(save(tensors))
