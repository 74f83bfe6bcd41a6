"""Write realnvp.safetensors and realnvp_spline.safetensors, five steps of normalising flows over the latents of
autoencoders, as models.py writes its runs; the autoencoder's weights, which stay, are stored as `frozen/`.

    pip install -r requirements.txt
    python realnvp.py

The loss is −log p by torch.distributions' normal density and the couplings of realnvp_ops.py.
"""

from pathlib import Path

import torch
from make import BETAS, EPSILON, f32
from models import BATCH, Ae, LinearVae, outcome, pixels, shares, stored, waves
from noise import SEED, TRAIN, noise
from realnvp_ops import affine, spline
from safetensors.torch import save
from torch import nn
from torch.distributions import Normal

WIDTH = 3  # latents, halves of two and one


class RealNvp(nn.Module):
    """Three couplings between networks 2-7-6-theta and 1-7-6-theta, or with a wave of each number as well."""

    def __init__(self, theta, x_waves, coupling, activation):
        super().__init__()
        self.x_waves, self.coupling = x_waves, coupling
        self.normalise = nn.Parameter(torch.randn(2, WIDTH) * 0.3)
        halves, networks = [2, 1], []
        for i in range(3):
            seen, changed = halves[i % 2], halves[(i + 1) % 2]
            hidden = [nn.Linear(seen * (1 + 2 * x_waves), 7), activation(), nn.Linear(7, 6), activation()]
            networks.append(nn.Sequential(*hidden, nn.Linear(6, changed * theta)))
        self.couplings = nn.ModuleList(networks)

    def forward(self, x):
        z, log_slope = affine(x, self.normalise.flatten(), 0.0)
        log_slopes, halves = log_slope.sum(1), list(z.split([2, 1], 1))
        for i, network in enumerate(self.couplings):
            seen, changed = halves[i % 2], halves[(i + 1) % 2]
            of_seen = waves(seen.flatten(), self.x_waves).reshape(len(x), -1)
            theta = network(torch.cat([seen, of_seen], 1))
            halves[(i + 1) % 2], log_slope = self.coupling(changed, theta)
            log_slopes = log_slopes + log_slope.sum(1)
        nll = -(Normal(0.0, 1.0).log_prob(torch.cat(halves, 1)).sum(1) + log_slopes).mean()
        return {"latent_nll": nll}, nll


def run(stem, autoencoder, latents, build):
    """Five steps on twenty images in file order, 8, 8 and 4 a step."""
    torch.manual_seed(SEED)
    coder = autoencoder().double().requires_grad_(False)
    model = build().double()
    data = pixels(stem, 1, 36, 1)
    batches = shares(data.flatten(1)).split(BATCH)
    tensors = {"data": data} | stored("frozen", coder) | stored("initial", model)
    adam = torch.optim.Adam(model.parameters(), lr=f32(1e-3), betas=BETAS, eps=EPSILON)
    history = []
    for step, x in zip(range(1, 6), 5 * batches):
        columns, loss = model(latents(coder, x, step))
        adam.zero_grad()
        loss.backward()
        adam.step()
        history.append(columns)
    Path(__file__).with_name(f"{stem}.safetensors").write_bytes(save(tensors | outcome(model, history, adam)))


def drawn(vae, x, step):
    """Latents from the posteriors of a VAE."""
    h = vae.encoder(x)
    mean = vae.mean(h)
    return mean + torch.exp(0.5 * vae.logvar(h)) * noise(step, TRAIN, *mean.shape)


def by_spline(x, theta):
    """Splines of four bins within ±3."""
    return spline(x, theta.unflatten(1, (x.shape[1], 11)), 4, 3.0)


def main():
    torch.set_num_threads(1)
    by_affine = lambda x, theta: affine(x, theta, 2.0)
    run("realnvp", Ae, lambda ae, x, step: ae.encoder(x), lambda: RealNvp(2, 1, by_affine, nn.SiLU))
    run("realnvp_spline", LinearVae, drawn, lambda: RealNvp(11, 0, by_spline, nn.Tanh))


if __name__ == "__main__":
    main()
