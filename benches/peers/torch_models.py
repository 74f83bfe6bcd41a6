"""The five models in PyTorch."""

import torch
import torch.nn.functional as F
from protocol import VARIANCE
from torch import nn


def half(inputs, outputs, bias=True):
    return nn.Conv2d(inputs, outputs, 4, 2, 1, bias=bias)


def double(inputs, outputs, bias=True):
    return nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=bias)


class Vae(nn.Module):
    """-ELBO with Bernoulli pixels from logits: 784-400-(20,20)-400-784, or with convolutions."""

    def __init__(self, convolutional):
        super().__init__()
        inner, latent = (256, 32) if convolutional else (400, 20)
        if convolutional:
            down = [half(1, 32), nn.ReLU(), half(32, 64), nn.ReLU(), nn.Flatten()]
            self.encoder = nn.Sequential(*down, nn.Linear(3136, inner), nn.ReLU())
            up = [nn.Linear(inner, 3136), nn.ReLU(), nn.Unflatten(1, (64, 7, 7))]
            up += [double(64, 32), nn.ReLU(), double(32, 1)]
        else:
            self.encoder = nn.Sequential(nn.Linear(784, inner), nn.ReLU())
            up = [nn.Linear(inner, 784)]
        self.mean, self.logvar = nn.Linear(inner, latent), nn.Linear(inner, latent)
        self.decoder = nn.Sequential(nn.Linear(latent, inner), nn.ReLU(), *up)

    def forward(self, x):
        h = self.encoder(x)
        mean, logvar = self.mean(h), self.logvar(h)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        recon = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum()
        return (recon + kl) / x.shape[0]


class Generator(nn.Sequential):
    """From 1x1 to 4x4, 8x8, 16x16 and 32x32."""

    def __init__(self):
        layers = [nn.ConvTranspose2d(100, 256, 4, 1, 0, bias=False), nn.BatchNorm2d(256), nn.ReLU()]
        for inputs, outputs in ((256, 128), (128, 64)):
            layers += [double(inputs, outputs, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*layers, double(64, 1), nn.Tanh())


class Discriminator(nn.Sequential):
    """From 32x32 to 16x16, 8x8, 4x4 and one score."""

    def __init__(self):
        layers = [half(1, 64), nn.LeakyReLU(0.2)]
        for inputs, outputs in ((64, 128), (128, 256)):
            layers += [half(inputs, outputs, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        super().__init__(*layers, nn.Conv2d(256, 1, 4, 1, 0))


class Residual(nn.Sequential):
    """x + conv1x1(relu(conv3x3(relu(x))))"""

    def __init__(self):
        super().__init__(nn.ReLU(), nn.Conv2d(128, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 128, 1))

    def forward(self, x):
        return x + super().forward(x)


class VqVae(nn.Module):
    """512 codes of 64 numbers, which follow their gradient; images of 32x32x3."""

    def __init__(self):
        super().__init__()
        down = [half(3, 64), nn.ReLU(), half(64, 128), nn.ReLU(), nn.Conv2d(128, 128, 3, 1, 1)]
        self.encoder = nn.Sequential(*down, Residual(), Residual(), nn.ReLU(), nn.Conv2d(128, 64, 1))
        self.codebook = nn.Embedding(512, 64)
        nn.init.uniform_(self.codebook.weight, -1 / 512, 1 / 512)
        up = [nn.ReLU(), double(128, 64), nn.ReLU(), double(64, 3)]
        self.decoder = nn.Sequential(nn.Conv2d(64, 128, 3, 1, 1), Residual(), Residual(), *up)

    def forward(self, x):
        """The whole loss, and the part of it that is the error of the image."""
        z = self.encoder(x).permute(0, 2, 3, 1)
        rows = z.reshape(-1, 64)
        with torch.no_grad():
            codes = self.codebook.weight
            # |z|^2 is the same for all codes.
            nearest = torch.argmin(codes.square().sum(1) - 2 * rows @ codes.t(), 1)
        q = self.codebook(nearest).view_as(z)
        codebook, commitment = F.mse_loss(q, z.detach()), F.mse_loss(z, q.detach())
        output = self.decoder((z + (q - z).detach()).permute(0, 3, 1, 2))
        error = F.mse_loss(output, x) / VARIANCE
        return error + codebook + 0.25 * commitment, error


class FlowBlock(nn.Module):
    """skip(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time(e)))), in groups of four channels or a few more."""

    def __init__(self, inputs, outputs, groups):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups[0], inputs), nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.time = nn.Linear(48, outputs)
        self.norm2, self.conv2 = nn.GroupNorm(groups[1], outputs), nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x, e):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(e)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Flow(nn.Module):
    """Flow matching of images of 28x28x1 by a U-Net of 12, 24 and 48 channels."""

    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(12, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU())
        self.input, self.output = nn.Conv2d(1, 12, 3, 1, 1), nn.Conv2d(12, 1, 3, 1, 1)
        self.down = nn.ModuleList([FlowBlock(12, 12, (3, 3)), FlowBlock(24, 24, (6, 6))])
        self.halving = nn.ModuleList([half(12, 24), half(24, 48)])
        self.middle = FlowBlock(48, 48, (8, 8))
        self.doubling = nn.ModuleList([double(24, 12), double(48, 24)])
        self.up = nn.ModuleList([FlowBlock(24, 12, (6, 3)), FlowBlock(48, 24, (8, 6))])
        self.norm = nn.GroupNorm(3, 12)

    def velocity(self, x, t):
        angles = t[:, None] * torch.pi * 2 ** torch.arange(6, device=t.device)
        e = self.time(torch.cat([angles.cos(), angles.sin()], 1))
        h, kept = self.input(x), []
        for block, halve in zip(self.down, self.halving):
            kept.append(block(h, e))
            h = halve(kept[-1])
        h = self.middle(h, e)
        for level in (1, 0):
            h = self.up[level](torch.cat([self.doubling[level](h), kept[level]], 1), e)
        return self.output(F.silu(self.norm(h)))

    def forward(self, x):
        z, t = torch.randn_like(x), torch.rand(x.shape[0], device=x.device)
        part = t[:, None, None, None]
        return F.mse_loss(self.velocity((1 - part) * z + part * x, t), x - z)
