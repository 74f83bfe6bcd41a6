"""Write the golden training runs: whole networks, from the weights before the first step to those after the last.

    pip install -r requirements.txt
    python models.py

The rules are make.py's: float64 on the CPU; weights are initialised in float32, and hyperparameters rounded to it.
Networks are written as PyTorch has them, channels first, and so are the weights stored; data is bytes, pixels with
their channels last, as frit has it. README.md lists what each file holds.
"""

import copy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from discrete import GAN_LOSSES, nearest
from make import MinibatchStd, BETAS, EPSILON, f32, rng
from noise import LATENT, MIX, SEED, TRAIN, check_philox, noise, uniform
from safetensors.torch import save
from torch import nn
from torch.distributions import Normal, kl_divergence

BATCH = 8
SLOPE = f32(0.2)  # of LeakyReLU


def pixels(name, *shape):
    """Twenty images of bytes, many of them black or white."""
    numbers = rng(name).standard_normal((20, *shape)) * 160 + 128
    return torch.from_numpy(numbers.clip(0, 255).astype(np.uint8))


def shares(data):
    """Bytes divided by 255: rows unchanged, images [n, h, w, c] with channels first."""
    x = data.double() / 255
    return x.permute(0, 3, 1, 2) if x.dim() == 4 else x


def bernoulli(logits, x):
    """−log p(x) of each image, in nats."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


class Vae(nn.Module):
    """`encoder`, `mean` and `logvar`, `decoder`; a batch gives its mean reconstruction error and KL, in nats an
    image."""

    recon = staticmethod(bernoulli)
    kl_weight = staticmethod(lambda step: 1.0)

    def forward(self, x, step):
        hidden = self.encoder(x)
        posterior = Normal(self.mean(hidden), torch.exp(0.5 * self.logvar(hidden)))
        z = posterior.mean + posterior.stddev * noise(step, TRAIN, *posterior.mean.shape)
        recon = self.recon(self.decoder(z), x).mean()
        kl = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).mean()
        return {"recon": recon, "kl": kl}, recon + self.kl_weight(step) * kl


class LinearVae(Vae):
    """36-16-(3,3)-16-36"""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(36, 16), nn.ReLU())
        self.mean = nn.Linear(16, 3)
        self.logvar = nn.Linear(16, 3)
        self.decoder = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 36))


class ConvVae(Vae):
    """14×9 → 7×5 → 4×3 and back, an even side by four pixels and an odd one by three; the KL counts by thirds."""

    kl_weight = staticmethod(lambda step: 2.0 * min(step / 3.0, 1.0))

    def __init__(self):
        super().__init__()
        down, up = nn.Conv2d, nn.ConvTranspose2d
        encoder = [down(1, 3, (4, 3), 2, 1), nn.ReLU(), down(3, 5, (3, 3), 2, 1), nn.ReLU(), nn.Flatten()]
        self.encoder = nn.Sequential(*encoder, nn.Linear(60, 10), nn.ReLU())
        self.mean = nn.Linear(10, 3)
        self.logvar = nn.Linear(10, 3)
        decoder = [nn.Linear(3, 10), nn.ReLU(), nn.Linear(10, 60), nn.ReLU(), nn.Unflatten(1, (5, 4, 3))]
        self.decoder = nn.Sequential(*decoder, up(5, 3, (3, 3), 2, 1), nn.ReLU(), up(3, 1, (4, 3), 2, 1))


class PoolVae(Vae):
    """12×8 → 6×4 → 3×2 and back in three channels, by maxima and by enlarging; pixels are normal around the output."""

    recon = staticmethod(lambda output, x: -Normal(output, f32(0.2)).log_prob(x).flatten(1).sum(1))

    def __init__(self):
        super().__init__()
        same = lambda inputs, outputs: nn.Conv2d(inputs, outputs, 3, padding=1)
        encoder = [same(3, 4), nn.SiLU(), nn.MaxPool2d(2), same(4, 5), nn.SiLU(), nn.MaxPool2d(2), nn.Flatten()]
        self.encoder = nn.Sequential(*encoder, nn.Linear(30, 10), nn.SiLU())
        self.mean = nn.Linear(10, 3)
        self.logvar = nn.Linear(10, 3)
        decoder = [nn.Linear(3, 10), nn.SiLU(), nn.Linear(10, 30), nn.SiLU(), nn.Unflatten(1, (5, 3, 2))]
        decoder += [nn.Upsample(scale_factor=2), same(5, 4), nn.SiLU(), nn.Upsample(scale_factor=2), same(4, 3)]
        self.decoder = nn.Sequential(*decoder)


class Ae(nn.Module):
    """36-16-3-16-36; a batch gives its mean reconstruction error, in nats an image."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 36))

    def forward(self, x, step):
        recon = bernoulli(self.decoder(self.encoder(x)), x).mean()
        return {"recon": recon}, recon


class Residual(nn.Sequential):
    """x + inner(x)"""

    def forward(self, x):
        return x + super().forward(x)


def residual(channels, inner):
    """3×3 to `inner` channels and back pixel by pixel."""
    return Residual(nn.ReLU(), nn.Conv2d(channels, inner, 3, padding=1), nn.ReLU(), nn.Conv2d(inner, channels, 1))


class Codebook(nn.Module):
    """Codes that follow running averages of the rows nearest to them, or, where γ is zero, their gradient."""

    def __init__(self, codes, dim, gamma):
        super().__init__()
        self.gamma, weight = gamma, torch.zeros(codes, dim)
        if gamma:
            self.register_buffer("weight", weight)
            self.register_buffer("size", torch.zeros(codes))
            self.register_buffer("total", torch.zeros(codes, dim))
        else:
            self.weight = nn.Parameter(weight)

    @torch.no_grad()
    def start(self, z):
        """Codes at rows of z, from one end of its first axis to the other, as if four rows had had each."""
        k = len(self.weight)
        rows = z[z[:, 0].argsort()][torch.linspace(2, len(z) - 3, k).long()]
        self.weight.copy_(rows.float())
        if self.gamma:
            self.size.fill_(4.0)
            self.total.copy_(4.0 * self.weight)

    def forward(self, z):
        """The codes nearest to rows z, and their indices. Asserts that no choice depends on rounding."""
        distances = ((z[:, None] - self.weight) ** 2).sum(2).detach()
        first, second = distances.topk(2, largest=False).values.T
        assert (second - first).min() > 1e-5 * z.square().sum(1).mean(), "two codes are about as near"
        index = nearest(z, self.weight)
        return self.weight[index], index

    @torch.no_grad()
    def follow(self, z, index, epsilon=f32(1e-5)):
        """One step of the averages: van den Oord et al., 2017, appendix A.1."""
        k = len(self.size)
        one_hot = F.one_hot(index, k).double()
        self.size.mul_(self.gamma).add_((1 - self.gamma) * one_hot.sum(0))
        self.total.mul_(self.gamma).add_((1 - self.gamma) * one_hot.T @ z)
        n = self.size.sum()
        self.weight.copy_(self.total / ((self.size + epsilon) / (n + k * epsilon) * n)[:, None])


class VqVae(nn.Module):
    """12×9 → 6×5 → 3×3 codes and back, two residual blocks each way; x in [−½, ½], the error over its variance."""

    VARIANCE = f32(0.11)

    def __init__(self, gamma):
        super().__init__()
        down, up, same = nn.Conv2d, nn.ConvTranspose2d, lambda inputs: nn.Conv2d(inputs, 6, 3, padding=1)
        encoder = [down(1, 3, (4, 3), 2, 1), nn.ReLU(), down(3, 6, (4, 3), 2, 1), nn.ReLU(), same(6)]
        self.encoder = nn.Sequential(*encoder, residual(6, 2), residual(6, 2), nn.ReLU(), nn.Conv2d(6, 3, 1))
        decoder = [same(3), residual(6, 2), residual(6, 2), nn.ReLU()]
        self.decoder = nn.Sequential(*decoder, up(6, 3, (4, 3), 2, 1), nn.ReLU(), up(3, 1, (4, 3), 2, 1))
        self.codebook = Codebook(7, 3, gamma)
        self.usage = torch.zeros(7, dtype=torch.float64)

    @torch.no_grad()
    def start(self, x):
        """Twice the weights, so that the distance between codes is large against a step."""
        for module in self.encoder.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(2.0)
        self.codebook.start(self.encode(x - 0.5).flatten(0, 2))

    def encode(self, x):
        return self.encoder(x).permute(0, 2, 3, 1)

    def forward(self, x, step):
        x = x - 0.5
        z = self.encode(x)
        q, index = self.codebook(z.flatten(0, 2))
        q = q.reshape(z.shape)
        output = self.decoder((z + (q - z).detach()).permute(0, 3, 1, 2))
        nmse = F.mse_loss(output, x) / self.VARIANCE
        commitment = F.mse_loss(z, q.detach())
        loss = nmse + 0.25 * commitment
        self.usage += F.one_hot(index, len(self.usage)).sum(0)
        if self.codebook.gamma:
            self.codebook.follow(z.detach().flatten(0, 2), index)
        else:
            loss = loss + F.mse_loss(q, z.detach())
        return {"nmse": nmse, "commitment": commitment}, loss


def waves(t, count):
    """Cosines and sines of π 2ᵏ t, side by side."""
    angles = torch.pi * 2.0 ** torch.arange(count, dtype=torch.float64) * t[:, None]
    return torch.stack([angles.cos(), angles.sin()], 2).flatten(1)


class Flow(nn.Module):
    """A batch gives the mean squared error of the velocity on straight paths from noise to images in [−1, 1]."""

    spacing = 1

    def forward(self, x, step):
        x = 2 * x - 1
        channels_last = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
        z = noise(step, TRAIN, *channels_last.shape)
        z = z.permute(0, 3, 1, 2) if x.dim() == 4 else z
        u = uniform(step, MIX, len(x))
        t = (1 - (1 - u) ** self.spacing).reshape(-1, *[1] * (x.dim() - 1))
        error = F.mse_loss(self.v((1 - t) * z + t * x, u), x - z)
        return {"velocity_error": error}, error


class LinearFlow(Flow):
    """36 numbers, a blurred cosine and sine of each, and 6 features of the time, 114-16-12-36."""

    spacing = 1.5

    def __init__(self):
        super().__init__()
        layers = [nn.Linear(114, 16), nn.SiLU(), nn.Linear(16, 12), nn.SiLU(), nn.Linear(12, 36)]
        self.velocity = nn.Sequential(*layers)

    def v(self, x, u):
        blur = torch.exp(-0.5 * (torch.pi * (1 - u) ** self.spacing) ** 2)
        of_x = blur[:, None] * waves(x.flatten(), 1).reshape(len(x), -1)
        return self.velocity(torch.cat([x, of_x, waves(u, 3)], 1))


class Block(nn.Module):
    """A residual block with a number added to each channel, of the embedding of a time."""

    def __init__(self, inputs, outputs, groups):
        super().__init__()
        norm = lambda groups, channels: nn.GroupNorm(groups, channels, eps=f32(1e-5))
        self.norm1, self.conv1 = norm(groups[0], inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(16, outputs)
        self.norm2, self.conv2 = norm(groups[1], outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, e):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(e)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class UNetFlow(Flow):
    """10×7 → 5×4 and back in two channels, 4 outside and 8 inside."""

    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(6, 16), nn.SiLU(), nn.Linear(16, 16), nn.SiLU())
        self.input, self.output = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1)
        level = lambda block, conv: nn.ModuleDict({"block": block, "conv": conv})
        self.down = nn.ModuleList([level(Block(4, 4, (1, 1)), nn.Conv2d(4, 8, (4, 3), 2, 1))])
        self.up = nn.ModuleList([level(Block(8, 4, (2, 1)), nn.ConvTranspose2d(8, 4, (4, 3), 2, 1))])
        self.middle = Block(8, 8, (2, 2))
        self.norm = nn.GroupNorm(1, 4, eps=f32(1e-5))
        # Biases of zero would be as large as the steps they take, and so would be rounding errors of gradients.
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                nn.init.normal_(module.weight, 1.0, 0.1)
                nn.init.normal_(module.bias, 0.0, 0.1)

    def between(self, h):
        return h

    def v(self, x, u):
        e = self.time(waves(u, 3))
        kept = self.down[0]["block"](self.input(x), e)
        inner = self.between(self.middle(self.down[0]["conv"](kept), e))
        h = self.up[0]["block"](torch.cat([self.up[0]["conv"](inner), kept], 1), e)
        return self.output(F.silu(self.norm(h)))


class Attention(nn.Module):
    """Two heads of four channels, with a residual connection."""

    def __init__(self):
        super().__init__()
        self.norm = nn.GroupNorm(2, 8, eps=f32(1e-5))
        nn.init.normal_(self.norm.weight, 1.0, 0.1)
        nn.init.normal_(self.norm.bias, 0.0, 0.1)
        self.qkv, self.proj = nn.Conv2d(8, 24, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        heads = [part.unflatten(1, (2, 4)).flatten(3).mT for part in self.qkv(self.norm(x)).chunk(3, 1)]
        y = F.scaled_dot_product_attention(*heads)
        return x + self.proj(y.mT.reshape(x.shape))


class AttentionFlow(UNetFlow):
    """The same U-Net with attention after `middle`."""

    def __init__(self):
        super().__init__()
        self.attention = Attention()

    def between(self, h):
        return self.attention(h)


def normal(network):
    """The start of a DCGAN's weights: N(0, 0.02), and N(1, 0.02) for normalisations."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, 0.02)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
    return network


def batch_norm(channels):
    return nn.BatchNorm2d(channels, eps=f32(1e-5), momentum=f32(0.1))


class Gan(nn.Module):
    """`generator` and `discriminator`, with the non-saturating loss by default."""

    latent = (4,)
    gan_loss, smoothing = "non_saturating", 0.0
    discriminator_steps, discriminator_lr = 1, 2e-4
    apart = spectral = False  # apart: real and generated images go through D in two batches
    penalty, penalty_weight = None, 0.0

    def slopes(self, real, fake, step):
        """The penalty of each image. Singular vectors stay."""
        share = uniform(step, MIX, len(real)).reshape(-1, *[1] * (real.dim() - 1))
        x = real if self.penalty == "r1" else share * real + (1 - share) * fake
        x = x.clone().requires_grad_()
        self.discriminator.train(not self.spectral)
        (g,) = torch.autograd.grad(self.discriminator(x).sum(), x, create_graph=True)
        self.discriminator.train()
        norms = g.flatten(1).norm(dim=1)
        return self.penalty_weight * (norms**2 / 2 if self.penalty == "r1" else (norms - 1) ** 2)

    def draw(self, step, stream, count):
        return noise(step, stream, count, *self.latent)

    def discriminator_loss(self, real, step):
        """D's columns and loss on real images and as many generated ones, detached."""
        with torch.no_grad():
            # By the batch's statistics, but no running ones move: the copy's do.
            fake = copy.deepcopy(self.generator)(self.draw(step, TRAIN, len(real)))
        on_real, on_fake, _, report = GAN_LOSSES[self.gan_loss]
        if self.apart:
            of_real, of_fake = self.discriminator(real), self.discriminator(fake)
        else:
            of_real, of_fake = self.discriminator(torch.cat([real, fake])).split(len(real))
        loss = on_real(of_real, self.smoothing).mean() + on_fake(of_fake).mean()
        columns = {"d_loss": loss, "d_real": report(of_real).mean(), "d_fake": report(of_fake).mean()}
        if self.penalty is None:
            return columns, loss
        penalty = self.slopes(real, fake, step).mean()
        return columns | {"penalty": penalty}, loss + penalty

    def forward(self, count, step):
        """G's loss on these latents. Singular vectors, which follow D's weights, stay."""
        self.discriminator.train(not self.spectral)
        scores = self.discriminator(self.generator(self.draw(step, LATENT, count)))
        self.discriminator.train()
        loss = GAN_LOSSES[self.gan_loss][2](scores).mean()
        return {"g_loss": loss}, loss


class LinearGan(Gan):
    """4-12-10-35 and 35-10-12-1, the labels of real images smoothed."""

    smoothing = f32(0.1)

    def __init__(self):
        super().__init__()
        hidden = [nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU()]
        self.generator = nn.Sequential(*hidden, nn.Linear(10, 35), nn.Tanh())
        hidden = [nn.Linear(35, 10), nn.LeakyReLU(SLOPE), nn.Linear(10, 12), nn.LeakyReLU(SLOPE)]
        self.discriminator = nn.Sequential(*hidden, nn.Linear(12, 1))


class Dcgan(Gan):
    """3×3 → 5×6 → 9×12 in three channels, and back, both normalised by their batches."""

    latent = (4, 1, 1)
    apart = True

    def __init__(self):
        super().__init__()
        down, up = nn.Conv2d, nn.ConvTranspose2d
        inner = [up(4, 6, 3, bias=False), batch_norm(6), nn.ReLU()]
        middle = [up(6, 3, (3, 4), 2, 1, bias=False), batch_norm(3), nn.ReLU()]
        self.generator = normal(nn.Sequential(*inner, *middle, up(3, 3, (3, 4), 2, 1), nn.Tanh()))
        outer = [down(3, 3, (3, 4), 2, 1), nn.LeakyReLU(SLOPE)]
        middle = [down(3, 6, (3, 4), 2, 1, bias=False), batch_norm(6), nn.LeakyReLU(SLOPE)]
        self.discriminator = normal(nn.Sequential(*outer, *middle, down(6, 1, 3)))


class SpectralGan(Gan):
    """4×4 → 8×7 and back by least squares, D's weights over their largest singular values, two steps to G's one."""

    latent = (4, 1, 1)
    gan_loss, spectral = "least_squares", True
    discriminator_steps, discriminator_lr = 2, 4e-4

    def __init__(self):
        super().__init__()
        down, up, spectral = nn.Conv2d, nn.ConvTranspose2d, nn.utils.spectral_norm
        inner = [up(4, 3, (4, 4), bias=False), batch_norm(3), nn.ReLU()]
        self.generator = normal(nn.Sequential(*inner, up(3, 2, (4, 3), 2, 1), nn.Tanh()))
        self.discriminator = normal(nn.Sequential(down(2, 3, (4, 3), 2, 1), nn.LeakyReLU(SLOPE), down(3, 1, (4, 4))))
        for layer in self.discriminator[::2]:
            spectral(layer, n_power_iterations=1, eps=1e-12)


class R1Gan(LinearGan):
    """The same with R1."""

    penalty, penalty_weight = "r1", f32(3.0)


class WganGp(SpectralGan):
    """The networks of `SpectralGan` with the Wasserstein loss and a gradient penalty."""

    gan_loss, penalty, penalty_weight = "wasserstein", "gp", f32(10.0)


class MinibatchStdGan(SpectralGan):
    """The generator of `SpectralGan`, and a discriminator with R1 that sees the deviation of three images. Its start is
    PyTorch's: weights of 0.02 would make deviations that single precision cannot divide by."""

    gan_loss, spectral, apart = "non_saturating", False, True
    discriminator_steps, discriminator_lr = 1, 2e-4
    penalty, penalty_weight = "r1", f32(3.0)

    def __init__(self):
        super().__init__()
        down = [nn.Conv2d(2, 3, (4, 3), 2, 1), nn.LeakyReLU(SLOPE)]
        self.discriminator = nn.Sequential(*down, MinibatchStd(3), nn.Conv2d(4, 1, (4, 4)))


def stored(when, model):
    """Parameters and buffers by name, without counts of batches."""
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    keep = {name: tensor for name, tensor in tensors.items() if not name.endswith("num_batches_tracked")}
    return {f"{when}/{name}": tensor.detach().clone().contiguous() for name, tensor in keep.items()}


def outcome(model, history, *adams):
    """The state after the last step, and the columns of every step."""
    tensors = {key: torch.stack([columns[key].detach() for columns in history]) for key in history[0]}
    state = {p: of for adam in adams for p, of in adam.state.items()}
    for name, p in model.named_parameters():
        tensors[f"m/{name}"], tensors[f"v/{name}"] = state[p]["exp_avg"], state[p]["exp_avg_sq"]
    return tensors | stored("final", model)


def train(build, data, steps, lr=1e-3, eps=EPSILON):
    """A run of Adam on twenty images in file order, 8, 8 and 4 a step."""
    torch.manual_seed(SEED)
    model = build().double()  # initialised in float32, then cast
    batches = shares(data).split(BATCH)
    if hasattr(model, "start"):
        model.start(batches[0])
    tensors = {"data": data} | stored("initial", model)
    adam = torch.optim.Adam(model.parameters(), lr=f32(lr), betas=BETAS, eps=eps)
    history = []
    for step, x in zip(range(1, steps + 1), steps * batches):
        columns, loss = model(x, step)
        adam.zero_grad()
        loss.backward()
        adam.step()
        history.append(columns)
    return tensors | outcome(model, history, adam)


def play(build, data):
    """Five steps of a GAN on images in [−1, 1]: D's on batches in file order, as in `train`, then G's."""
    torch.manual_seed(SEED)
    model = build().double()
    tensors = {"data": data} | stored("initial", model)
    adam = lambda network, lr: torch.optim.Adam(network.parameters(), f32(lr), (f32(0.5), f32(0.999)), EPSILON)
    d_adam, g_adam = adam(model.discriminator, model.discriminator_lr), adam(model.generator, 2e-4)
    images = 2 * shares(data) - 1
    history, discriminator_step = [], 0
    for step, of_step in zip(range(1, 6), 5 * images.split(model.discriminator_steps * BATCH)):
        for real in of_step.chunk(model.discriminator_steps):
            discriminator_step += 1
            d_columns, loss = model.discriminator_loss(real, discriminator_step)
            d_adam.zero_grad()
            loss.backward()
            d_adam.step()
        g_columns, loss = model(len(real), step)
        g_adam.zero_grad()
        loss.backward()
        g_adam.step()
        history.append(d_columns | g_columns)
    return tensors | outcome(model, history, d_adam, g_adam)


def quantise(gamma, data):
    """A run of a vector-quantised autoencoder, and how often each code was used in it."""
    models = []

    def build():
        models.append(VqVae(gamma))
        return models[0]

    return train(build, data, 5) | {"usage": models[0].usage}


def main():
    torch.set_num_threads(1)
    check_philox()
    runs = {
        "vae": train(LinearVae, pixels("images", 36), 10) | {"noise1": noise(1, TRAIN, BATCH, 3)},
        "ae": train(Ae, pixels("images", 36), 5),
        "conv_vae": train(ConvVae, pixels("conv_vae", 14, 9, 1), 5),
        "pool_vae": train(PoolVae, pixels("pool_vae", 12, 8, 3), 5),
        "flow": train(LinearFlow, pixels("flow", 36), 5, 2e-4),
        "flow_unet": train(UNetFlow, pixels("flow_unet", 10, 7, 2), 5, 2e-4),
        "flow_attention": train(AttentionFlow, pixels("flow_attention", 10, 7, 2), 5, 2e-4, f32(1e-6)),
        "gan": play(LinearGan, pixels("gan", 35)),
        "dcgan": play(Dcgan, pixels("dcgan", 9, 12, 3)),
        "spectral_gan": play(SpectralGan, pixels("spectral_gan", 8, 7, 2)),
        "r1_gan": play(R1Gan, pixels("r1_gan", 35)),
        "wgan_gp": play(WganGp, pixels("wgan_gp", 8, 7, 2)),
        "minibatch_std_gan": play(MinibatchStdGan, pixels("minibatch_std_gan", 8, 7, 2)),
        "vqvae": quantise(f32(0.9), pixels("vqvae", 12, 9, 1)),
        "vqvae_gradient": quantise(0.0, pixels("vqvae_gradient", 12, 9, 1)),
    }
    for stem, tensors in runs.items():
        Path(__file__).with_name(f"{stem}.safetensors").write_bytes(save(tensors))


if __name__ == "__main__":
    main()
