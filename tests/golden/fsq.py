"""Makes fsq.safetensors, finite scalar quantisation as an operator, and fsq_vae.safetensors, a training run with it.

    pip install -r requirements.txt
    python fsq.py

The quantiser is the listing of Mentzer et al. (2023), appendix A.1, with PyTorch's functions. The rules of the operator
are make.py's, those of the run models.py's.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from discrete import TENSORS, store
from make import normal, rng
from models import VqVae, pixels, train
from safetensors.torch import save


def bound(z, levels):
    """z within the range of its levels, in units of one level."""
    half_range = (levels - 1) * (1 - 1e-3) / 2
    offset = torch.where(levels % 2 == 1, 0.0, 0.5).double()
    return torch.tanh(z + torch.tan(offset / half_range)) * half_range - offset


def quantise(z, levels):
    """Codes in [−1, 1] with the straight-through gradient, and their indices. Asserts that no choice depends on
    rounding."""
    bounded = bound(z, levels)
    rounded = bounded.round()
    assert (0.5 - (bounded - rounded).abs()).min() > 1e-5, "a number is about midway between two levels"
    half_width = levels // 2
    basis = torch.cat([torch.ones(1), levels[:-1].cumprod(0)])
    index = ((rounded + half_width) * basis).sum(-1).long()
    return (bounded + (rounded - bounded).detach()) / half_width, index


def operators():
    """Rows z, most of them within the levels, their codes, and the gradient of Σ dq ⊙ q."""
    for name, levels in {"paper": [8, 5, 5, 5], "least": [2, 3], "many": [2, 3, 4, 5, 6, 7, 8, 255]}.items():
        draw = rng(f"fsq/{name}")
        z = normal(draw, 11, len(levels), scale=1.5).requires_grad_()
        dq = normal(draw, 11, len(levels))
        levels = torch.tensor(levels, dtype=torch.float64)
        q, index = quantise(z, levels)
        (dz,) = torch.autograd.grad(q, z, dq)
        y = bound(z, levels) / (levels // 2)
        store(f"fsq/{name}", levels=levels, z=z, y=y, q=q, index=index, dq=dq, dz=dz)


class FsqVae(VqVae):
    """The networks of `VqVae`, with 4 · 3 · 5 codes without a codebook."""

    LEVELS = torch.tensor([4, 3, 5], dtype=torch.float64)

    def __init__(self):
        super().__init__(0.0)
        del self.codebook
        self.usage = torch.zeros(60, dtype=torch.float64)

    @torch.no_grad()
    def start(self, x):
        """Weights before the quantiser such that its numbers differ by more than one level."""
        last = self.encoder[-1]
        z = self.encode(x - 0.5).flatten(0, 2)
        last.weight.copy_((last.weight / z.std(0)[:, None, None, None]).float())
        last.bias.copy_(((last.bias - z.mean(0)) / z.std(0)).float())

    def forward(self, x, step):
        x = x - 0.5
        q, index = quantise(self.encode(x), self.LEVELS)
        nmse = F.mse_loss(self.decoder(q.permute(0, 3, 1, 2)), x) / self.VARIANCE
        self.usage += F.one_hot(index.flatten(), len(self.usage)).sum(0)
        return {"nmse": nmse}, nmse


def run():
    """Five steps, and how often each code was used in them."""
    models = []

    def build():
        models.append(FsqVae())
        return models[0]

    return train(build, pixels("fsq_vae", 12, 9, 1), 5) | {"usage": models[0].usage}


def main():
    torch.set_num_threads(1)
    TENSORS.clear()
    operators()
    Path(__file__).with_name("fsq.safetensors").write_bytes(save(TENSORS))
    Path(__file__).with_name("fsq_vae.safetensors").write_bytes(save(run()))


if __name__ == "__main__":
    main()
