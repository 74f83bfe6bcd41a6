"""Write the golden training runs of image-to-image translation.

    pip install -r requirements.txt
    python translation.py

The rules are those of models.py. `data` has the images of A, and `data_b` those of B.
"""

import itertools
from pathlib import Path

import torch
import torch.nn.functional as F
from discrete import GAN_LOSSES
from make import EPSILON, f32
from models import BATCH, SLOPE, outcome, pixels, shares, stored
from noise import SEED, check_philox, noise, uniform
from safetensors.torch import save
from torch import nn

CORRUPT, REPLAY = 15, 16  # frit's Stream::Corrupt and Stream::Replay
POOL = 5


def norm(channels):
    return nn.InstanceNorm2d(channels, eps=f32(1e-5))


class Residual(nn.Sequential):
    """x + inner(x)"""

    def forward(self, x):
        return x + super().forward(x)


class Skip(nn.Sequential):
    """inner(x) and x, concatenated along the channels."""

    def forward(self, x):
        return torch.cat([super().forward(x), x], 1)


def generator(skip):
    """12×8 → 6×4 → a residual block → 12×8, in two channels, 3 outside and 6 inside."""
    conv = lambda *sizes: nn.Conv2d(*sizes, bias=False)
    block = [nn.ReflectionPad2d(1), conv(6, 6, 3), norm(6), nn.ReLU(), nn.ReflectionPad2d(1), conv(6, 6, 3), norm(6)]
    features = [
        *[nn.ReflectionPad2d(3), conv(2, 3, 7), norm(3), nn.ReLU()],
        *[conv(3, 6, 3, 2, 1), norm(6), nn.ReLU()],
        Residual(*block),
        *[nn.ConvTranspose2d(6, 3, 3, 2, 1, 1, bias=False), norm(3), nn.ReLU()],
    ]
    last = lambda inputs: [nn.ReflectionPad2d(3), nn.Conv2d(inputs, 2, 7), nn.Tanh()]
    return nn.Sequential(Skip(*features), *last(5)) if skip else nn.Sequential(*features, *last(3))


def discriminator(channels, window=(4, 4)):
    """A score for each of the patches that one halving leaves."""
    first = [nn.Conv2d(channels, 3, window, 2, 1), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*first, nn.Conv2d(3, 6, 3, 1, 1, bias=False), norm(6), nn.LeakyReLU(SLOPE), nn.Conv2d(6, 1, 3, 1, 1))


class CycleGan(nn.Module):
    def __init__(self, skip):
        super().__init__()
        self.to_a, self.to_b = generator(skip), generator(skip)
        self.of_a, self.of_b = discriminator(2), discriminator(2)
        self.pools = {"a": [], "b": []}

    def nets(self, side):
        """The generator to a side, and its discriminator."""
        return getattr(self, f"to_{side}"), getattr(self, f"of_{side}")

    def replayed(self, side, fakes, draws):
        """A pool of five: a full one gives one of its images for every second new one, which takes its place."""
        pool, out = self.pools[side], []
        for fake, (which, where) in zip(fakes, draws):
            if len(pool) < POOL:
                pool.append(fake)
                out.append(fake)
            elif which > 0.5:
                at = int(where * POOL)
                out.append(pool[at])
                pool[at] = fake
            else:
                out.append(fake)
        return torch.stack(out)

    def discriminator_loss(self, x, step):
        """`x` has the images of both sides. The losses are means over both."""
        n = len(x["a"])
        draws = uniform(step, REPLAY, 4 * n).reshape(2, n, 2)
        loss = 0
        for number, (side, other) in enumerate(("ab", "ba")):
            to, of = self.nets(side)
            with torch.no_grad():
                fake = self.replayed(side, to(x[other]), draws[number])
            on_real, on_fake, _, _ = GAN_LOSSES["least_squares"]
            loss = loss + on_real(of(x[side]), 0).mean() + on_fake(of(fake)).mean()
        return {"d_loss": loss / 2}, loss

    def generator_loss(self, x):
        columns, loss = {"g_loss": 0, "cycle_error": 0, "identity_error": 0}, 0
        for side, other in ("ab", "ba"):
            (to, of), (back, _) = self.nets(side), self.nets(other)
            fake = to(x[other])
            square = ((of(fake) - 1) ** 2).mean()
            cycle, same = F.l1_loss(back(fake), x[other]), F.l1_loss(to(x[side]), x[side])
            loss = loss + square + 10 * cycle + 5 * same
            parts = {"g_loss": square / 2, "cycle_error": cycle / 2, "identity_error": same / 2}
            columns = {name: columns[name] + part / 2 for name, part in parts.items()}
        return columns, loss


def adam(*networks):
    parameters = itertools.chain(*(network.parameters() for network in networks))
    return torch.optim.Adam(parameters, f32(2e-4), (f32(0.5), f32(0.999)), EPSILON)


def moved(step, loss):
    step.zero_grad()
    loss.backward()
    step.step()


class Order:
    """The images of a set in file order; a batch that would go past the end begins again."""

    def __init__(self, images):
        self.images, self.next = images, 0

    def take(self, count):
        start = 0 if self.next > len(self.images) - count else self.next
        self.next = start + count
        return self.images[start : self.next]


def cycle(a, b, skip):
    """Five steps on 8, 8 and 4 images of each set in turn: an epoch of the 20 images of A. B has 18."""
    torch.manual_seed(SEED)
    model = CycleGan(skip).double()
    tensors = {"data": a, "data_b": b} | stored("initial", model)
    d_adam, g_adam = adam(model.of_a, model.of_b), adam(model.to_a, model.to_b)
    orders = {side: Order(2 * shares(data) - 1) for side, data in (("a", a), ("b", b))}
    history = []
    for step, count in zip(range(1, 6), itertools.cycle((BATCH, BATCH, 4))):
        x = {side: order.take(count) for side, order in orders.items()}
        d_columns, loss = model.discriminator_loss(x, step)
        moved(d_adam, loss)
        g_columns, loss = model.generator_loss(x)
        moved(g_adam, loss)
        history.append(d_columns | g_columns)
    return tensors | outcome(model, history, d_adam, g_adam)


class Block(nn.Module):
    """A residual block of a U-Net without a time."""

    def __init__(self, inputs, outputs, groups):
        super().__init__()
        norm = lambda groups, channels: nn.GroupNorm(groups, channels, eps=f32(1e-5))
        self.norm1, self.conv1 = norm(groups[0], inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2, self.conv2 = norm(groups[1], outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class UNet(nn.Module):
    """10×7 → 5×4 and back, 4 channels outside and 8 inside."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.input, self.output = nn.Conv2d(inputs, 4, 3, padding=1), nn.Conv2d(4, outputs, 3, padding=1)
        level = lambda block, conv: nn.ModuleDict({"block": block, "conv": conv})
        self.down = nn.ModuleList([level(Block(4, 4, (1, 1)), nn.Conv2d(4, 8, (4, 3), 2, 1))])
        self.up = nn.ModuleList([level(Block(8, 4, (2, 1)), nn.ConvTranspose2d(8, 4, (4, 3), 2, 1))])
        self.middle = Block(8, 8, (2, 2))
        self.norm = nn.GroupNorm(1, 4, eps=f32(1e-5))
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                nn.init.normal_(module.weight, 1.0, 0.1)
                nn.init.normal_(module.bias, 0.0, 0.1)

    def forward(self, x):
        kept = self.down[0]["block"](self.input(x))
        inner = self.middle(self.down[0]["conv"](kept))
        h = self.up[0]["block"](torch.cat([self.up[0]["conv"](inner), kept], 1))
        return torch.tanh(self.output(F.silu(self.norm(h))))


class Paired(nn.Module):
    """100 times the mean absolute error, and the score of a discriminator of both images."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = UNet(2, 3), discriminator(5, (4, 3))

    def discriminator_loss(self, x, y):
        score = lambda image: self.discriminator(torch.cat([x, image], 1))
        on_real, on_fake, _, _ = GAN_LOSSES["non_saturating"]
        fake = self.generator(x).detach()
        loss = (on_real(score(y), 0).mean() + on_fake(score(fake)).mean()) / 2
        return {"d_loss": loss}, loss

    def generator_loss(self, x, y):
        fake = self.generator(x)
        error = F.l1_loss(fake, y)
        score = GAN_LOSSES["non_saturating"][2](self.discriminator(torch.cat([x, fake], 1))).mean()
        return {"l1_error": error / 2, "g_loss": score}, 100 * error + score


def pair(a, b):
    """Five steps on twenty pairs in file order, 8, 8 and 4 a step."""
    torch.manual_seed(SEED)
    model = Paired().double()
    tensors = {"data": a, "data_b": b} | stored("initial", model)
    d_adam, g_adam = adam(model.discriminator), adam(model.generator)
    of_a, of_b = ((2 * shares(data) - 1).split(BATCH) for data in (a, b))
    history = []
    for _, x, y in zip(range(5), 5 * of_a, 5 * of_b):
        d_columns, loss = model.discriminator_loss(x, y)
        moved(d_adam, loss)
        g_columns, loss = model.generator_loss(x, y)
        moved(g_adam, loss)
        history.append(d_columns | g_columns)
    return tensors | outcome(model, history, d_adam, g_adam)


class Denoiser(nn.Module):
    """The U-Net alone, of images with noise."""

    def __init__(self):
        super().__init__()
        self.generator = UNet(2, 2)

    def forward(self, y, step):
        n, c, h, w = y.shape
        noisy = y + 2 * f32(0.2) * noise(step, CORRUPT, n, h, w, c).permute(0, 3, 1, 2)
        error = F.l1_loss(self.generator(noisy.clamp(-1, 1)), y)
        return {"l1_error": error / 2}, 100 * error


def denoise(data):
    torch.manual_seed(SEED)
    model = Denoiser().double()
    tensors = {"data": data} | stored("initial", model)
    optimiser, history = adam(model), []
    for step, y in zip(range(1, 6), 5 * (2 * shares(data) - 1).split(BATCH)):
        columns, loss = model(y, step)
        moved(optimiser, loss)
        history.append(columns)
    return tensors | outcome(model, history, optimiser)


def main():
    torch.set_num_threads(1)
    check_philox()
    unpaired = pixels("cyclegan_a", 12, 8, 2), pixels("cyclegan_b", 12, 8, 2)[:18]
    runs = {
        "cyclegan": cycle(*unpaired, skip=False),
        "cyclegan_skip": cycle(*unpaired, skip=True),
        "paired": pair(pixels("paired_a", 10, 7, 2), pixels("paired_b", 10, 7, 3)),
        "restoration": denoise(pixels("restoration", 10, 7, 2)),
    }
    for stem, tensors in runs.items():
        Path(__file__).with_name(f"{stem}.safetensors").write_bytes(save(tensors))


if __name__ == "__main__":
    main()
