"""Write vae_planar.safetensors and vae_iaf.safetensors, runs of variational autoencoders whose posterior has a flow, as
models.py writes its runs.

    pip install -r requirements.txt
    python vae_flow.py

The change of the density is asserted to be that of the flow's Jacobian by autograd.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from make import f32
from models import LinearVae, bernoulli, pixels, train
from noise import MIX, TRAIN, check_philox, noise, uniform
from safetensors.torch import save
from torch import nn
from torch.distributions import Normal, kl_divergence

LATENT = 3
FUNCTIONS = 3


class FlowVae(LinearVae):
    """`LinearVae` with `flow` from z0 to z; the divergence that the flow adds is that of the draw."""

    kl_weight = staticmethod(lambda step: 1.0)

    def images(self, x, step):
        return x

    def forward(self, x, step):
        x = self.images(x, step)
        hidden = self.encoder(x)
        posterior = Normal(self.mean(hidden), torch.exp(0.5 * self.logvar(hidden)))
        z0 = posterior.mean + posterior.stddev * noise(step, TRAIN, *posterior.mean.shape)
        z, log_slope = self.flowed(z0, hidden)
        self.check(z0[:1].detach(), hidden[:1].detach())
        recon = bernoulli(self.decoder(z), x).mean()
        prior = Normal(0.0, 1.0)
        more = (prior.log_prob(z0) - prior.log_prob(z)).sum(1) - log_slope
        kl = (kl_divergence(posterior, prior).sum(1) + more).mean()
        return {"recon": recon, "kl": kl}, recon + self.kl_weight(step) * kl

    def check(self, z0, hidden):
        """log_slope is the logarithm of the Jacobian's determinant."""
        jacobian = torch.autograd.functional.jacobian(lambda z: self.flowed(z, hidden)[0], z0).reshape(LATENT, LATENT)
        _, expected = torch.linalg.slogdet(jacobian)
        assert abs(expected - self.flowed(z0, hidden)[1].item()) < 1e-12


class Planar(FlowVae):
    """Planar functions; pixels are drawn black or white."""

    def __init__(self):
        super().__init__()
        self.flow = nn.Linear(16, FUNCTIONS * (2 * LATENT + 1))

    def images(self, x, step):
        signs = 2 * x - 1 + 2 * uniform(step, MIX, x.numel()).reshape(x.shape) - 1
        assert signs.abs().min() > 1e-6, "a pixel is about as near to black as to white"
        return (signs > 0).double()

    def flowed(self, z, hidden):
        total = 0.0
        for numbers in self.flow(hidden).chunk(FUNCTIONS, 1):
            u, w, b = numbers.split([LATENT, LATENT, 1], 1)
            c = (u * w).sum(1, keepdim=True)
            u = u + (F.softplus(c) - 1 - c) * w / ((w * w).sum(1, keepdim=True) + f32(1e-12))
            a = (w * z).sum(1, keepdim=True) + b
            total = total + torch.log((1 + (1 - torch.tanh(a) ** 2) * (u * w).sum(1, keepdim=True)).abs()).sum(1)
            z = z + u * torch.tanh(a)
        return z, total


class Function(nn.Module):
    """Scales and shifts of each number from those before it, in one of two orders, by five hidden units."""

    def __init__(self, reverse):
        super().__init__()
        self.input = nn.Linear(LATENT, 5, bias=False)
        self.context = nn.Linear(16, 5)
        self.output = nn.Linear(5, 2 * LATENT)
        degrees = torch.arange(LATENT)
        degrees = degrees.flip(0) if reverse else degrees
        hidden = torch.arange(5) % (LATENT - 1)
        self.masks = hidden[:, None] >= degrees, degrees.repeat(2)[:, None] > hidden

    def forward(self, z, h):
        seen = [layer.weight * mask for layer, mask in zip([self.input, self.output], self.masks)]
        hidden = F.relu(F.linear(z, seen[0]) + self.context(h))
        a, t = F.linear(hidden, seen[1], self.output.bias).chunk(2, 1)
        s = 2 * torch.tanh(a / 2)
        return z * s.exp() + t, s.sum(1)


class Iaf(FlowVae):
    """Inverse autoregressive functions; the divergence counts by thirds."""

    kl_weight = staticmethod(lambda step: 2.0 * min(step / 3.0, 1.0))

    def __init__(self):
        super().__init__()
        self.flow = nn.ModuleList([Function(i % 2 == 1) for i in range(FUNCTIONS)])

    def flowed(self, z, hidden):
        total = 0.0
        for function in self.flow:
            z, log_slope = function(z, hidden)
            total = total + log_slope
        return z, total


def main():
    torch.set_num_threads(1)
    check_philox()
    for stem, build in [("vae_planar", Planar), ("vae_iaf", Iaf)]:
        tensors = train(build, pixels(stem, 36), 5)
        Path(__file__).with_name(f"{stem}.safetensors").write_bytes(save(tensors))


if __name__ == "__main__":
    main()
