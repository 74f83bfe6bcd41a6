#!/usr/bin/env python3
"""Open a frit checkpoint as a PyTorch module and run it on images or codes.

    pip install torch numpy safetensors
    scripts/open_in_torch.py CHECKPOINT INPUTS.npy OUTPUTS.safetensors [--classes CLASSES.npy] [--average]

CHECKPOINT is a run folder, for its latest checkpoint, or a .safetensors file. INPUTS are images, [n, h, w] or
[n, h, w, c], as bytes or numbers in [0, 1]; or latents, [n, latent]; or code indices of a VQ-VAE, [n, h · w], row by
row. OUTPUTS has the model's outputs, images as [n, h, w, c] in [0, 1]. Class-conditional models need CLASSES, integers
[n]. --average loads the running average of the weights, if the run has one.

The file is meant to be copied: `load` returns the module, and each family is a class. The checkpoint's metadata has the
run's configuration, the size of an image and the classes. Modules take images as PyTorch does, [n, c, h, w].
"""

import argparse
import json
import math
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

# Tensors outside the networks: optimiser state (`adam.` in files of 0.1.0), averages of weights, clocks and rates.
OTHER_STATE = ("optim.", "adam.", "average/", "state/")
# The value of a class in its one-hot input.
ONE_HOT_SCALE = 5.0
# The smallest side that a GAN's convolutions halve an image to.
INNERMOST = 4

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "silu": nn.SiLU,
    "elu": nn.ELU,
}


def halved(size):
    """Height and width, halved and rounded up."""
    return tuple((side + 1) // 2 for side in size)


def halvings(size, times):
    """Heights and widths of an image and of each of its halvings."""
    sizes = [tuple(size)]
    for _ in range(times):
        sizes.append(halved(sizes[-1]))
    return sizes


def window(size):
    """Kernel of a convolution that halves images of `size`, rounding up, and of its transpose: four pixels along an
    even side and three along an odd one, so that the transpose needs no output padding."""
    return [4 if side % 2 == 0 else 3 for side in size]


def down(inputs, outputs, size, bias=True):
    return nn.Conv2d(inputs, outputs, window(size), stride=2, padding=1, bias=bias)


def up(inputs, outputs, size, bias=True):
    return nn.ConvTranspose2d(inputs, outputs, window(size), stride=2, padding=1, bias=bias)


def same(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def linear(widths, act):
    """Linear layers between consecutive widths, each with an activation."""
    return [layer for pair in zip(widths, widths[1:]) for layer in (nn.Linear(*pair), act())]


class Stack(nn.Sequential):
    """An `nn.Sequential` that flattens images for a linear first layer, channels first."""

    def forward(self, x):
        return super().forward(x.flatten(1) if isinstance(self[0], nn.Linear) else x)


def encoder(settings, image, code=None):
    """Encoder from images to the last hidden layer, or with `code` to that many numbers."""
    channels, *size = image
    act = ACTIVATIONS[settings.get("activation", "relu")]
    layers = []
    for outputs in settings["channels"]:
        if settings.get("pool"):
            layers += [same(channels, outputs), act(), nn.MaxPool2d(2)]
        else:
            layers += [down(channels, outputs, size), act()]
        channels, size = outputs, halved(size)
    if layers:
        layers.append(nn.Flatten())
    layers += linear([channels * size[0] * size[1], *settings["hidden"]], act)
    if code:
        layers.append(nn.Linear(settings["hidden"][-1], code))
    return Stack(*layers)


def decoder(settings, image, code):
    """Decoder from codes to images; with linear layers alone, to rows of pixels, channels first."""
    channels, *size = image
    act = ACTIVATIONS[settings["activation"]]
    layers, width = linear([code, *reversed(settings["hidden"])], act), settings["hidden"][0]
    if not settings["channels"]:
        return Stack(*layers, nn.Linear(width, channels * size[0] * size[1]))
    sizes = halvings(size, len(settings["channels"]))
    *outer, inner = [channels, *settings["channels"]]
    layers += [nn.Linear(width, inner * sizes[-1][0] * sizes[-1][1]), act(), nn.Unflatten(1, (inner, *sizes[-1]))]
    for outputs, size in zip(reversed(outer), reversed(sizes[:-1])):
        if settings["pool"]:
            layers += [nn.Upsample(scale_factor=2), same(inner, outputs), act()]
        else:
            layers += [up(inner, outputs, size), act()]
        inner = outputs
    return Stack(*layers[:-1])


class Model(nn.Module):
    """Base of the families. Images are [n, c, h, w] in [0, 1]; `y` are classes [n] of class-conditional models.

    `forward` returns the outputs for images by name; `decode` returns the images of codes."""

    def __init__(self, settings, image, classes):
        super().__init__()
        self.settings, self.image = settings, image
        # `conditional` is the name in files of 0.1.0.
        conditional = settings.get("class_conditional", settings.get("conditional"))
        self.classes = classes if conditional and classes > 1 else 0

    def with_classes(self, rows, y):
        """Rows with their one-hot classes appended."""
        if not self.classes:
            return rows
        if y is None:
            raise ValueError("this model is class-conditional: give CLASSES, or `y`")
        return torch.cat([rows, ONE_HOT_SCALE * F.one_hot(y, self.classes).to(rows.dtype)], 1)

    def decode(self, z, y=None):
        raise ValueError("this model has no decoder")


class Decoding(Model):
    """Models with a decoder of latents z [n, latent]."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        self.decoder = decoder(settings, image, settings["latent"] + self.classes)

    def output(self, z, y=None):
        """Logits of a Bernoulli likelihood, means of a Gaussian one."""
        return self.decoder(self.with_classes(z, y)).reshape(-1, *self.image)

    def decode(self, z, y=None):
        output = self.output(z, y)
        return output.sigmoid() if self.settings["likelihood"] == "bernoulli" else output


class Autoencoder(Decoding):
    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        self.encoder = encoder(settings, image, settings["latent"])

    def forward(self, x, y=None):
        code = self.encoder(x)
        return {"code": code, "picture": self.decode(code)}


def planar(z, numbers):
    """A planar function of rows z [n, latent], and log |det|; numbers are u | w | b of each row."""
    d = z.shape[1]
    u, w, b = numbers.split([d, d, 1], 1)
    c = (u * w).sum(1, keepdim=True)
    norm = (w * w).sum(1, keepdim=True) + 1e-12
    slope = F.softplus(c)
    t = torch.tanh((w * z).sum(1, keepdim=True) + b)
    return z + (u + (slope - 1 - c) / norm * w) * t, (t**2 + (1 - t**2) * slope).log()[:, 0]


class Autoregressive(nn.Module):
    """z' = z e^s + t, with s and t of each number from those before it and from h."""

    BOUND = 2.0

    def __init__(self, latent, hidden, width, act, reverse):
        super().__init__()
        self.input = nn.Linear(latent, hidden, bias=False)
        self.context = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, 2 * latent)
        self.act = act()
        degrees = torch.arange(latent)
        degrees = degrees.flip(0) if reverse else degrees
        inner = torch.arange(hidden) % max(latent - 1, 1)
        self.masks = inner[:, None] >= degrees, degrees.repeat(2)[:, None] > inner

    def forward(self, z, h):
        seen = [layer.weight * mask for layer, mask in zip((self.input, self.output), self.masks)]
        theta = F.linear(self.act(F.linear(z, seen[0]) + self.context(h)), seen[1], self.output.bias)
        a, t = theta.chunk(2, 1)
        s = self.BOUND * torch.tanh(a / self.BOUND)
        return z * s.exp() + t, s.sum(1)


class Vae(Decoding):
    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        width, latent = settings["hidden"][-1] + self.classes, settings["latent"]
        self.encoder = encoder(settings, image)
        self.mean = nn.Linear(width, latent)
        self.logvar = nn.Linear(width, latent)
        # Files of earlier versions have no flow.
        flow = settings.get("flow", {"kind": "none"})
        self.kind, self.length = flow["kind"], flow.get("length", 0)
        if self.kind == "planar":
            self.flow = nn.Linear(width, self.length * (2 * latent + 1))
        elif self.kind == "iaf":
            act = ACTIVATIONS[settings["activation"]]
            functions = [Autoregressive(latent, flow["hidden"], width, act, i % 2 == 1) for i in range(self.length)]
            self.flow = nn.ModuleList(functions)

    def hidden(self, x, y=None):
        """The encoder's last layer, with classes."""
        return self.with_classes(self.encoder(x), y)

    def flowed(self, z, h):
        """The end of the flow from z [n, latent], and log |det| of each row."""
        total = torch.zeros_like(z[:, 0])
        for i in range(self.length if self.kind != "none" else 0):
            if self.kind == "planar":
                z, log_slope = planar(z, self.flow(h).chunk(self.length, 1)[i])
            else:
                z, log_slope = self.flow[i](z, h)
            total = total + log_slope
        return z, total

    def forward(self, x, y=None):
        """q(z0|x), and the decoded mean, which a flow moves first."""
        h = self.hidden(x, y)
        mean = self.mean(h)
        return {"mean": mean, "logvar": self.logvar(h), "picture": self.decode(self.flowed(mean, h)[0], y)}


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Codebook(nn.Module):
    """The codebook: a parameter, or a buffer that is the quotient of two running averages."""

    def __init__(self, codes, latent, averaged):
        super().__init__()
        weight = torch.empty(codes, latent)
        if averaged:
            self.register_buffer("weight", weight)
            self.register_buffer("size", torch.empty(codes))
            self.register_buffer("total", torch.empty(codes, latent))
        else:
            self.weight = nn.Parameter(weight)

    def nearest(self, z):
        """Indices [n, m] of the codes nearest to z [n, m, latent]."""
        # A matrix product would round away the difference between near codes.
        return torch.cdist(z, self.weight, compute_mode="donot_use_mm_for_euclid_dist").argmin(2)

    def codes(self, index):
        """Codes [n, m, latent] of indices [n, m]."""
        return self.weight[index]


class Levels(nn.Module):
    """Finite scalar quantisation: codes are all combinations of levels, and there are no parameters."""

    def __init__(self, levels):
        super().__init__()
        self.levels = torch.tensor(levels)
        self.half_width = self.levels // 2
        self.basis = torch.cat([torch.ones(1, dtype=torch.long), self.levels[:-1].cumprod(0)])

    def nearest(self, z):
        """Indices [n, m] of the codes that z [n, m, channels] is rounded to."""
        half_range = ((self.levels - 1) * (1 - 1e-3) / 2).to(z)
        offset = torch.where(self.levels % 2 == 1, 0.0, 0.5).to(z)
        bounded = torch.tanh(z + torch.tan(offset / half_range)) * half_range - offset
        return ((bounded.round().long() + self.half_width) * self.basis).sum(2)

    def codes(self, index):
        """Codes [n, m, channels] of indices [n, m]."""
        return (index[..., None] // self.basis % self.levels - self.half_width) / self.half_width


class VqVae(Model):
    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        channels, *size = image
        width, times = settings["width"], settings["halvings"]
        # Files of 0.1.0 have no such setting.
        by_levels = settings.get("quantiser") == "fsq"
        latent = len(settings["levels"]) if by_levels else settings["latent"]
        *sizes, self.small = halvings(size, times)
        blocks = lambda: [self.residual(width, settings["residual"]) for _ in range(settings["blocks"])]
        widths = [channels, *[(width + 1) // 2] * (times - 1), width]
        outwards = list(zip(widths, widths[1:], sizes))
        layers = [layer for outer, inner, size in outwards for layer in (down(outer, inner, size), nn.ReLU())]
        self.encoder = nn.Sequential(*layers, same(width, width), *blocks(), nn.ReLU(), nn.Conv2d(width, latent, 1))
        layers = [layer for outer, inner, size in reversed(outwards) for layer in (up(inner, outer, size), nn.ReLU())]
        self.decoder = nn.Sequential(same(latent, width), *blocks(), nn.ReLU(), *layers[:-1])
        codebook = lambda: Codebook(settings["codes"], latent, settings["ema"] > 0)
        self.codebook = Levels(settings["levels"]) if by_levels else codebook()

    @staticmethod
    def residual(width, inner):
        return Residual(nn.ReLU(), same(width, inner), nn.ReLU(), nn.Conv2d(inner, width, 1))

    def encode(self, x):
        """z [n, h · w, latent], and the indices of the nearest codes [n, h · w]."""
        z = self.encoder(x - 0.5).flatten(2).transpose(1, 2)
        return z, self.codebook.nearest(z)

    def decode(self, z, y=None):
        codes = self.codebook.codes(z.long()).transpose(1, 2)
        return self.decoder(codes.to(self.decoder[0].weight).unflatten(2, self.small)) + 0.5

    def forward(self, x, y=None):
        _, index = self.encode(x)
        return {"index": index, "picture": self.decode(index)}


class Gated(nn.Module):
    """A layer of a gated PixelCNN on images [n, c, h, w], of two stacks: the vertical one sees the rows above, the
    horizontal one the pixels to the left and the vertical one. The first layer does not see the pixel itself."""

    def __init__(self, width, kernel, classes, first):
        super().__init__()
        self.reach, self.side, self.first = (kernel + 1) // 2, kernel // 2, first
        self.vertical = nn.Conv2d(width, 2 * width, (self.reach, kernel))
        self.horizontal = nn.Conv2d(width, 2 * width, (1, self.reach))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.mix = nn.Conv2d(width, width, 1)
        self.add_module("class", nn.Embedding(classes, 2 * width) if classes else None)

    def gate(self, x, y):
        table = getattr(self, "class")
        a, b = (x if table is None else x + table(y)[:, :, None, None]).chunk(2, 1)
        return a.tanh() * b.sigmoid()

    def forward(self, v, h, y):
        rows, columns = v.shape[2:]
        # The first layer's windows end one pixel earlier.
        before = self.reach if self.first else self.reach - 1
        above = self.vertical(F.pad(v, (self.side, self.side, before, 0)))[:, :, :rows]
        left = self.horizontal(F.pad(h, (before, 0, 0, 0)))[:, :, :, :columns]
        out = self.mix(self.gate(left + self.link(above), y))
        return self.gate(above, y), out if self.first else out + h


class PixelCnn(nn.Module):
    """Logits [n, codes, h, w] of codes [n, h, w], each given those before it, row by row."""

    def __init__(self, settings, codes, classes):
        super().__init__()
        width, kernel = settings["width"], settings["kernel"]
        self.embedding = nn.Embedding(codes, width)
        self.layers = nn.ModuleList(Gated(width, kernel, classes, i == 0) for i in range(settings["layers"]))
        self.hidden = nn.Conv2d(width, settings["output"], 1)
        self.logits = nn.Conv2d(settings["output"], codes, 1)

    def forward(self, index, y=None):
        v = h = self.embedding(index).permute(0, 3, 1, 2)
        for layer in self.layers:
            v, h = layer(v, h, y)
        return self.logits(self.hidden(h.relu()).relu())


class Prior(Model):
    """A prior over the codes of a VQ-VAE, which the checkpoint has too."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes if classes >= 2 else 0)
        of_vqvae = settings["vqvae"]
        codes = math.prod(of_vqvae["levels"]) if of_vqvae.get("quantiser") == "fsq" else of_vqvae["codes"]
        self.prior = PixelCnn(settings, codes, self.classes)
        self.vqvae = VqVae(settings["vqvae"], image, classes)

    def decode(self, z, y=None):
        return self.vqvae.decode(z)

    def forward(self, x, y=None):
        """The codes [n, h · w] of images, and −log p of each, in nats."""
        index = self.vqvae.encode(x)[1]
        grid = index.unflatten(1, self.vqvae.small)
        return {"index": index, "nats": F.cross_entropy(self.prior(grid, y), grid, reduction="none").flatten(1)}


class Pixels(PixelCnn):
    """A gated PixelCNN of grey images, whose pixels have a few levels."""

    def __init__(self, settings, image, classes):
        conditional = settings["class_conditional"] and classes >= 2
        super().__init__(settings, settings["levels"], classes if conditional else 0)
        self.settings = settings

    def index(self, x, dither=0.5):
        """Levels [n, h, w] of images: the nearest, or with numbers in [0, 1) as dither one of the two nearest."""
        most = self.settings["levels"] - 1
        return (x[:, 0] * most + dither).floor().clamp(0, most).long()

    def decode(self, z, y=None):
        return z[:, None] / (self.settings["levels"] - 1)

    def forward(self, x, y=None, dither=0.5):
        """The levels of images [n, h · w], and −log p of each, in nats."""
        index = self.index(x, dither)
        nats = F.cross_entropy(super().forward(index, y), index, reduction="none")
        return {"index": index.flatten(1), "nats": nats.flatten(1)}


class Dilated(nn.Module):
    """A layer of a WaveNet on sequences [n, c, 1, length]: the output, and the skip connection."""

    def __init__(self, settings, dilation, classes, last):
        super().__init__()
        width, taps = settings["width"], settings["kernel"]
        self.reach = (taps - 1) * dilation
        self.dilated = nn.Conv2d(width, 2 * width, (1, taps), dilation=(1, dilation))
        self.residual = None if last else nn.Conv2d(width, width, 1)
        self.skip = nn.Conv2d(width, settings["skip"], 1)
        self.add_module("class", nn.Embedding(classes, 2 * width) if classes else None)

    def forward(self, x, y):
        table, sums = getattr(self, "class"), self.dilated(F.pad(x, (self.reach, 0)))
        a, b = (sums if table is None else sums + table(y)[:, :, None, None]).chunk(2, 1)
        gate = a.tanh() * b.sigmoid()
        return x if self.residual is None else x + self.residual(gate), self.skip(gate)


class Wavenet(Model):
    """Causal convolutions over sequences of bytes."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        width, layers, total = settings["width"], settings["layers"], settings["layers"] * settings["blocks"]
        self.embedding = nn.Embedding(256, width)
        self.first = nn.Conv2d(width, width, (1, settings["kernel"]))
        each = (Dilated(settings, 2 ** (i % layers), self.classes, i + 1 == total) for i in range(total))
        self.layers = nn.ModuleList(each)
        self.hidden = nn.Conv2d(settings["skip"], settings["output"], 1)
        self.logits = nn.Conv2d(settings["output"], 256, 1)

    def distribution(self, codes, y=None):
        """Logits [n, 256, length] of codes [n, length], each given those before it."""
        x = self.embedding(codes).transpose(1, 2)[:, :, None]
        # A window ends before its position.
        x, skips = self.first(F.pad(x, (self.settings["kernel"], 0)))[..., :-1], 0
        for layer in self.layers:
            x, skip = layer(x, y)
            skips = skips + skip
        return self.logits(self.hidden(skips.relu()).relu())[:, :, 0]

    def forward(self, x, y=None):
        """−log p [n, length] of the bytes of sequences, which are images of height 1, in nats."""
        codes = (255 * x).round().long().flatten(1)
        return {"nats": F.cross_entropy(self.distribution(codes, y), codes, reduction="none")}


class Classifier(Model):
    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        self.classifier = encoder(settings, image, classes)

    def forward(self, x, y=None):
        return {"logits": self.classifier(x)}


class MinibatchStd(nn.Module):
    """The mean standard deviation within each `size` images in a row, as one more channel."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        groups = []
        for group in x.split(self.size):
            deviation = (group.var(0, unbiased=False) + 1e-8).sqrt().mean()
            groups.append(torch.cat([group, deviation.expand_as(group[:, :1])], 1))
        return torch.cat(groups)


class Gan(Model):
    """Generator and discriminator. Their images are in [−1, 1]; of points, they are the coordinates."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        # Only points have two channels; their coordinates have no bounds.
        self.points = image[0] == 2
        networks = self.convolutional if settings["width"] else self.fully_connected
        generator, discriminator = networks(settings, image)
        if settings["spectral"]:
            for layer in discriminator:
                if isinstance(layer, (nn.Linear, nn.Conv2d)):
                    nn.utils.spectral_norm(layer)
        self.generator, self.discriminator = Stack(*generator), Stack(*discriminator)

    def fully_connected(self, settings, image):
        pixels, hidden = image[0] * image[1] * image[2], settings["hidden"]
        generator = linear([settings["latent"] + self.classes, *hidden], nn.ReLU)
        discriminator = linear([pixels + self.classes, *reversed(hidden)], lambda: nn.LeakyReLU(0.2))
        deviation = self.deviation(settings)
        discriminator += [*deviation, nn.Linear(hidden[0] + len(deviation), 1)]
        last = [] if self.points else [nn.Tanh()]
        return [*generator, nn.Linear(hidden[-1], pixels), *last], discriminator

    @staticmethod
    def deviation(settings):
        size = settings.get("minibatch_std", 0)
        return [MinibatchStd(size)] if size else []

    def convolutional(self, settings, image):
        channels, *size = image
        sizes = [tuple(size)]
        while min(sizes[-1]) > INNERMOST:
            sizes.append(halved(sizes[-1]))
        *sizes, innermost = sizes
        widths = [channels, *(settings["width"] << i for i in range(len(sizes)))]
        levels = list(enumerate(zip(widths, widths[1:], sizes)))
        # `critic_norm` is the name in files of 0.1.0.
        normalised = settings.get("discriminator_norm", settings.get("critic_norm"))
        discriminator = []
        for i, (outer, inner, size) in levels:
            norm = [nn.BatchNorm2d(inner)] if i > 0 and normalised else []
            discriminator += [down(outer, inner, size, bias=not norm), *norm, nn.LeakyReLU(0.2)]
        deviation = self.deviation(settings)
        discriminator += [*deviation, nn.Conv2d(widths[-1] + len(deviation), 1, innermost)]
        generator = [nn.ConvTranspose2d(settings["latent"], widths[-1], innermost, bias=False)]
        for i, (outer, inner, size) in reversed(levels):
            generator += [nn.BatchNorm2d(inner), nn.ReLU(), up(inner, outer, size, bias=i == 0)]
        return [*generator, nn.Tanh()], discriminator

    def score(self, x, y=None):
        """Discriminator scores of images in [−1, 1]; of the non-saturating loss, logits."""
        # A row of pixels with its class appended has channels last; elsewhere channels come first.
        x = self.with_classes(x.permute(0, 2, 3, 1).flatten(1), y) if self.classes else x
        return self.discriminator(x).flatten()

    def generate(self, z, y=None):
        """Images in [−1, 1]."""
        z = z if self.settings["width"] == 0 else z[:, :, None, None]
        return self.generator(self.with_classes(z, y)).reshape(-1, *self.image)

    def decode(self, z, y=None):
        made = self.generate(z, y)
        return made if self.points else (made + 1) / 2

    def forward(self, x, y=None):
        return {"score": self.score(x if self.points else 2 * x - 1, y)}


def groups(channels):
    """Groups of a group normalisation: the largest divisor up to 8 that leaves four channels or more to each."""
    fits = [count for count in range(1, 9) if channels % count == 0 and channels // count >= 4]
    return max(fits, default=1)


class Block(nn.Module):
    """A residual block of a U-Net; with an embedding of the time, a number that depends on it is added to each
    channel."""

    def __init__(self, inputs, outputs, embedding=0):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups(inputs), inputs), same(inputs, outputs)
        self.time = nn.Linear(embedding, outputs) if embedding else None
        self.norm2, self.conv2 = nn.GroupNorm(groups(outputs), outputs), same(outputs, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x, e=None):
        h = self.conv1(F.silu(self.norm1(x)))
        if self.time is not None:
            h = h + self.time(e)[:, :, None, None]
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """Self-attention of the pixels of an image, with a residual connection."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads, self.norm = heads, nn.GroupNorm(groups(channels), channels)
        self.qkv, self.proj = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        n, channels, h, w = x.shape
        # Each of q, k and v as [n, heads, channels of a head, pixels]. The formula is written out: the function of
        # PyTorch 2, `scaled_dot_product_attention`, is missing from PyTorch 1.
        q, k, v = (part.reshape(n, self.heads, -1, h * w) for part in self.qkv(self.norm(x)).chunk(3, 1))
        weights = torch.softmax(q.mT @ k / (channels // self.heads) ** 0.5, -1)
        return x + self.proj((v @ weights.mT).reshape(x.shape))


def add_unet(module, settings, size, inputs, outputs, embedding=0):
    """Give a module the layers of a U-Net, as attributes of PyTorch's usual names."""
    width = settings["width"]
    module.input, module.output = same(inputs, width), same(width, outputs)
    module.down, module.up = nn.ModuleList(), nn.ModuleList()
    for size in halvings(size, settings["halvings"])[:-1]:
        level = {"block": Block(width, width, embedding), "conv": down(width, 2 * width, size)}
        module.down.append(nn.ModuleDict(level))
        level = {"block": Block(2 * width, width, embedding), "conv": up(2 * width, width, size)}
        module.up.append(nn.ModuleDict(level))
        width *= 2
    module.middle = Block(width, width, embedding)
    heads = settings.get("heads", 0)
    module.attention = Attention(width, heads) if heads else nn.Identity()
    module.norm = nn.GroupNorm(groups(settings["width"]), settings["width"])


def run_unet(module, x, e=None):
    """The output of such layers."""
    h, kept = module.input(x), []
    for level in module.down:
        kept.append(level["block"](h, e))
        h = level["conv"](kept[-1])
    h = module.attention(module.middle(h, e))
    for level, beside in zip(reversed(module.up), reversed(kept)):
        h = level["block"](torch.cat([level["conv"](h), beside], 1), e)
    return module.output(F.silu(module.norm(h)))


class Flow(Model):
    """The velocity from noise to images in [−1, 1]; of points, they are the coordinates."""

    # Shares of a step at which a method takes velocities, and their weights.
    STAGES = {
        "euler": [(0, 1)],
        "heun": [(0, 1 / 2), (1, 1 / 2)],
        "rk4": [(0, 1 / 6), (1 / 2, 1 / 3), (1 / 2, 1 / 3), (1, 1 / 6)],
    }

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        # Only points have two channels; their coordinates have no bounds.
        self.points = image[0] == 2
        channels, *size = image
        width, features = settings["width"], 2 * settings["waves"] + self.classes
        if not width:
            pixels, hidden = channels * size[0] * size[1], settings["hidden"]
            layers = linear([pixels * (1 + 2 * settings.get("x_waves", 0)) + features, *hidden], nn.SiLU)
            self.velocity = nn.Sequential(*layers, nn.Linear(hidden[-1], pixels))
            return
        e = 4 * width
        self.time = nn.Sequential(nn.Linear(features, e), nn.SiLU(), nn.Linear(e, e), nn.SiLU())
        add_unet(self, settings, size, channels, channels, e)

    @staticmethod
    def waves(x, count):
        """Cosines and sines of half a turn, one turn, two, …, of numbers [n, k]: [n, 2 · k · count]."""
        angles = torch.pi * 2.0 ** torch.arange(count, dtype=x.dtype) * x[:, :, None]
        return torch.stack([angles.cos(), angles.sin()], 3).flatten(1)

    def blurred(self, x, sigma):
        """The waves of x, each as strong as normal noise of deviation sigma [n] leaves it."""
        count = self.settings.get("x_waves", 0)
        angles = torch.pi * 2.0 ** torch.arange(count, dtype=x.dtype) * sigma[:, None]
        blur = torch.exp(-0.5 * angles**2).repeat_interleave(2, 1)
        return self.waves(x, count) * blur.repeat(1, x.shape[1])

    def v(self, x, t, y=None):
        """Velocities at images in [−1, 1], [n, c, h, w], and times [n]."""
        return self.velocity_at(x, t, self.with_classes(self.of_time(t), y))

    def guided(self, x, t, y=None):
        """Velocities of samples at times of one value: beyond those of any class, towards those of the classes `y`."""
        guidance, first, last = self.settings.get("guidance", 1), *self.settings.get("guidance_interval", [0, 1])
        if not self.classes or guidance == 1 or not first <= round(float(t[0]), 6) <= last:
            return self.v(x, t, y)
        features = self.of_time(t)
        any_class = self.velocity_at(x, t, torch.cat([features, features.new_zeros(len(t), self.classes)], 1))
        return (1 - guidance) * any_class + guidance * self.v(x, t, y)

    def of_time(self, t):
        """Cosines and sines of the places of times [n]."""
        u = 1 - (1 - t).clamp(min=0) ** (1 / self.settings["spacing"])
        return self.waves(u[:, None], self.settings["waves"])

    def velocity_at(self, x, t, features):
        """Velocities with the features of times and classes."""
        if not self.settings["width"]:
            # Rows have the channels of a pixel side by side.
            rows = x.permute(0, 2, 3, 1)
            row = torch.cat([rows.flatten(1), self.blurred(rows.flatten(1), 1 - t), features], 1)
            return self.velocity(row).reshape(rows.shape).permute(0, 3, 1, 2)
        return run_unet(self, x, self.time(features))

    def decode(self, z, y=None):
        """Images of noise [n, h · w · c], by the method and the steps of the settings."""
        channels, height, width = self.image
        x = z.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
        steps = self.settings["steps"]
        times = [1 - (1 - k / steps) ** self.settings["spacing"] for k in range(steps + 1)]
        for t, after in zip(times, times[1:]):
            start, v, h = x, torch.zeros_like(x), after - t
            for share, weight in self.STAGES[self.settings["solver"]]:
                v = self.guided(start + share * h * v, torch.full_like(x[:, 0, 0, 0], t + share * h), y)
                x = x + weight * h * v
        return x if self.points else (x + 1) / 2

    def forward(self, x, y=None):
        """Velocities at the images, at time 1."""
        x = x if self.points else 2 * x - 1
        return {"velocity": self.v(x, torch.ones_like(x[:, 0, 0, 0]), y)}


class Couplings(nn.Module):
    """A learnt normalisation and couplings between the halves of rows [n, width]."""

    # The least size of a spline's bin and the least slope at a knot, and the logarithm whose softplus makes that 1.
    MIN_SIZE, MIN_SLOPE = torch.tensor([1e-4, 1e-3]).double().tolist()
    ONE = torch.tensor(math.log(math.expm1(1 - MIN_SLOPE)), dtype=torch.float32).double().item()

    def __init__(self, settings, width):
        super().__init__()
        self.settings, self.halves = settings, [(width + 1) // 2, width // 2]
        self.splines = settings["coupling"] == "spline"
        if settings["normalise"]:
            self.normalise = nn.Parameter(torch.empty(2, width))
        theta = 3 * settings["bins"] - 1 if self.splines else 2
        waves, act = 1 + 2 * settings["x_waves"], ACTIVATIONS[settings["activation"]]
        self.planar = settings["coupling"] == "planar"
        if self.planar:
            self.planes = nn.Parameter(torch.empty(settings["layers"], 2 * width + 1))
        networks = []
        for i in range(0 if self.planar else settings["layers"]):
            seen, changed = self.halves[i % 2], self.halves[(i + 1) % 2]
            layers = linear([seen * waves, *settings["hidden"]], act)
            networks.append(nn.Sequential(*layers, nn.Linear(settings["hidden"][-1], changed * theta)))
        self.couplings = nn.ModuleList(networks)

    def theta(self, i, seen):
        waves = Flow.waves(seen, self.settings["x_waves"])
        return self.couplings[i](torch.cat([seen, waves], 1))

    def knots(self, numbers):
        """Knots [n, k, bins + 1] from −bound to bound."""
        bins, bound = self.settings["bins"], self.settings["bound"]
        sizes = self.MIN_SIZE + (1 - self.MIN_SIZE * bins) * numbers.softmax(2)
        return bound * (2 * F.pad(sizes.cumsum(2), (1, 0)) - 1)

    def spline(self, v, theta, inverse):
        """The spline of numbers [n, k], or its inverse, and the logarithms of its slopes."""
        bins, bound = self.settings["bins"], self.settings["bound"]
        widths, heights, slopes = theta.unflatten(1, (v.shape[1], 3 * bins - 1)).split([bins, bins, bins - 1], 2)
        x, y = self.knots(widths), self.knots(heights)
        slopes = F.pad(self.MIN_SLOPE + F.softplus(slopes + self.ONE), (1, 1), value=1.0)
        inside, given = v.abs() < bound, y if inverse else x
        within = torch.where(inside, v, torch.zeros_like(v))
        k = torch.searchsorted(given[..., 1:-1].contiguous(), within[..., None], right=True)
        at = lambda numbers, index: numbers.gather(2, index)[..., 0]
        x0, w, y0, h = at(x, k), at(x.diff(), k), at(y, k), at(y.diff(), k)
        d0, d1, s = at(slopes, k), at(slopes, k + 1), h / w
        if inverse:
            rest = (within - y0) / h
            b = d0 - rest * (d0 + d1 - 2 * s)
            xi = 2 * s * rest / (b + (b**2 + 4 * (s - b) * s * rest).clamp(min=0).sqrt())
            found = x0 + w * xi
        else:
            xi = (within - x0) / w
        q = xi * (1 - xi)
        below = s + (d0 + d1 - 2 * s) * q
        if not inverse:
            found = y0 + h * (s * xi**2 + d0 * q) / below
        slope = s**2 * (d1 * xi**2 + 2 * s * q + d0 * (1 - xi) ** 2) / below**2
        return torch.where(inside, found, v), torch.where(inside, slope.log(), torch.zeros_like(v))

    def coupled(self, v, theta, inverse=False):
        """Numbers [n, k] changed, and the logarithms of the slopes."""
        if self.splines:
            return self.spline(v, theta, inverse)
        a, t = theta.chunk(2, 1)
        s = self.settings["max_log_scale"] * torch.tanh(a / self.settings["max_log_scale"])
        return (v - t) * (-s).exp() if inverse else v * s.exp() + t, s

    def unplanar(self, y, numbers):
        """The argument of a planar function: s = w·x is bisected."""
        d = y.shape[1]
        u, w, b = numbers.split([d, d, 1])
        c, norm = u @ w, w @ w
        u = u + (F.softplus(c) - 1 - c) / (norm + 1e-12) * w
        total, along = y @ w, u @ w
        low, high = total - along.abs(), total + along.abs()
        for _ in range(80):
            s = (low + high) / 2
            below = s + along * torch.tanh(s + b) < total
            low, high = torch.where(below, s, low), torch.where(below, high, s)
        return y - torch.tanh((low + high) / 2 + b)[:, None] * u

    def forward(self, x):
        """Normal numbers [n, width] of rows, and −log p of each row, in nats."""
        log_slopes = torch.zeros_like(x[:, 0])
        if self.settings["normalise"]:
            a, t = self.normalise
            x, log_slopes = x * a.exp() + t, log_slopes + a.sum()
        halves = list(x.split(self.halves, 1))
        for i in range(len(self.couplings)):
            theta = self.theta(i, halves[i % 2])
            halves[(i + 1) % 2], log_slope = self.coupled(halves[(i + 1) % 2], theta)
            log_slopes = log_slopes + log_slope.sum(1)
        z = torch.cat(halves, 1)
        for numbers in self.planes if self.planar else []:
            z, log_slope = planar(z, numbers.expand(len(z), -1))
            log_slopes = log_slopes + log_slope
        return z, 0.5 * (z**2 + math.log(2 * math.pi)).sum(1) - log_slopes

    def inverse(self, z):
        """Rows of normal numbers."""
        for numbers in self.planes.flip(0) if self.planar else []:
            z = self.unplanar(z, numbers)
        halves = list(z.split(self.halves, 1))
        for i in reversed(range(len(self.couplings))):
            theta = self.theta(i, halves[i % 2])
            halves[(i + 1) % 2], _ = self.coupled(halves[(i + 1) % 2], theta, inverse=True)
        x = torch.cat(halves, 1)
        if not self.settings["normalise"]:
            return x
        a, t = self.normalise
        return (x - t) * (-a).exp()


class RealNvp(Model):
    """A normalising flow of points, or of the latents of an autoencoder, which the checkpoint has too."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, 0)
        # Only points have two channels.
        if image[0] == 2:
            self.realnvp = Couplings(settings, 2)
        elif "vae" in settings:
            self.vae = Vae(settings["vae"], image, 0)
            self.realnvp = Couplings(settings, settings["vae"]["latent"])
        else:
            self.ae = Autoencoder(settings["ae"], image, 0)
            self.realnvp = Couplings(settings, settings["ae"]["latent"])

    def rows(self, x, noise=None):
        """Rows of images or points [n, c, h, w]: points, codes, or latents by standard normal noise [n, latent],
        posterior means without."""
        if self.image[0] == 2:
            return x.flatten(1)
        if "vae" not in self.settings:
            return self.ae.encoder(x)
        h = self.vae.encoder(x)
        mean = self.vae.mean(h)
        z = mean if noise is None else mean + (0.5 * self.vae.logvar(h)).exp() * noise
        return self.vae.flowed(z, h)[0]

    def decode(self, z, y=None):
        """Images of normal numbers [n, width]."""
        rows = self.realnvp.inverse(z)
        if self.image[0] == 2:
            return rows[..., None, None]
        return (self.vae if "vae" in self.settings else self.ae).decode(rows)

    def forward(self, x, y=None):
        """Normal numbers of images or points, and −log p of each, in nats."""
        z, nats = self.realnvp(self.rows(x))
        return {"z": z, "nats": nats}


class Residual(nn.Sequential):
    """x + inner(x)"""

    def forward(self, x):
        return x + super().forward(x)


def patches(width, times, image):
    """A discriminator of patches: a score for each pixel that remains after `times` halvings."""
    channels, *size = image
    layers = []
    for i, size in enumerate(halvings(size, times)[:-1]):
        norm = [nn.InstanceNorm2d(width << i)] if i else []
        layers += [down(channels, width << i, size, bias=not norm), *norm, nn.LeakyReLU(0.2)]
        channels = width << i
    last = [nn.Conv2d(channels, width << times, 3, 1, 1, bias=False), nn.InstanceNorm2d(width << times)]
    return nn.Sequential(*layers, *last, nn.LeakyReLU(0.2), same(width << times, 1))


class Skip(nn.Sequential):
    """inner(x) and x, concatenated along the channels."""

    def forward(self, x):
        return torch.cat([super().forward(x), x], 1)


class CycleGan(Model):
    """Images of two sets into each other. `image` is [c, h, w] of A and of B."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, 0)
        a, b = image
        sizes = settings["discriminator_width"], settings["discriminator_halvings"]
        self.to_a, self.to_b = self.generator(settings, b, a[0]), self.generator(settings, a, b[0])
        self.of_a, self.of_b = patches(*sizes, a), patches(*sizes, b)

    @staticmethod
    def generator(settings, image, outputs):
        channels, *size = image
        width, times = settings["width"], settings["halvings"]
        conv = lambda *sizes: nn.Conv2d(*sizes, bias=False)
        layers = [nn.ReflectionPad2d(3), conv(channels, width, 7), nn.InstanceNorm2d(width), nn.ReLU()]
        for i in range(times):
            layers += [conv(width << i, width << i + 1, 3, 2, 1), nn.InstanceNorm2d(width << i + 1), nn.ReLU()]
        inner = width << times
        half = lambda: [nn.ReflectionPad2d(1), conv(inner, inner, 3), nn.InstanceNorm2d(inner)]
        blocks = settings["blocks"] or (9 if min(size) >= 256 else 6)
        layers += [Residual(*half(), nn.ReLU(), *half()) for _ in range(blocks)]
        sizes = halvings(size, times)
        for i in reversed(range(times)):
            # Rows and columns that the transpose would lack at this size.
            more = [outer - (2 * inner - 1) for outer, inner in zip(sizes[i], sizes[i + 1])]
            layers.append(nn.ConvTranspose2d(width << i + 1, width << i, 3, 2, 1, more, bias=False))
            layers += [nn.InstanceNorm2d(width << i), nn.ReLU()]
        seen = width
        if settings.get("skip"):
            layers, seen = [Skip(*layers)], width + channels
        return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(seen, outputs, 7), nn.Tanh())

    def forward(self, x, y=None):
        """Translations of images of A to B, in [0, 1]."""
        return {"picture": (self.to_b(2 * x - 1) + 1) / 2}


class Paired(Model):
    """Images of A into those of B that belong to them, or corrupted images into clean ones: `image` is [c, h, w] of the
    input and of the output."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, 0)
        (inputs, *size), (outputs, *_) = image
        self.generator = nn.Module()
        add_unet(self.generator, settings, size, inputs, outputs)
        if settings["gan_weight"] > 0:
            sizes = settings["discriminator_width"], settings["discriminator_halvings"]
            self.discriminator = patches(*sizes, (inputs + outputs, *size))

    def made(self, x):
        """Images in [−1, 1] of inputs in [−1, 1]."""
        return torch.tanh(run_unet(self.generator, x))

    def forward(self, x, y=None):
        """Outputs of inputs, both in [0, 1]."""
        return {"picture": (self.made(2 * x - 1) + 1) / 2}


def sides(config, image, notes):
    """The size of an image; of translation, of A and of B, or of input and output."""
    if config["family"] not in ("cyclegan", "paired"):
        return image
    channels, *size = image
    corrupt = config.get("paired", {}).get("corrupt", "none")
    if corrupt != "none":
        # The mask of unknown pixels is one more channel.
        return (channels + corrupt.startswith("mask"), *size), image
    # Pairs note the channels of both, as 3+1.
    of_a, of_b = (channels, channels) if notes["sides"] == "unpaired" else map(int, notes["sides"].split("+"))
    return (of_a, *size), (of_b, *size)


FAMILIES = {"vae": Vae, "ae": Autoencoder, "gan": Gan, "flow": Flow, "vqvae": VqVae}
FAMILIES |= {"realnvp": RealNvp, "prior": Prior, "pixelcnn": Pixels, "wavenet": Wavenet, "cyclegan": CycleGan}
FAMILIES |= {"paired": Paired, "classifier": Classifier}


def build(notes):
    """The module that a checkpoint's metadata describes, with untrained weights."""
    config = tomllib.loads(notes["config"])
    height, width, channels = map(int, notes["picture"].split("x"))
    family = FAMILIES[config["family"]]
    image = sides(config, (channels, height, width), notes)
    return family(config[config["family"]], image, len(json.loads(notes["classes"])))


def load(checkpoint, average=False, dtype=None):
    """Load the module of a run's latest checkpoint, or of a .safetensors file, in evaluation mode.

    The default dtype is that of the file: float64 from the reference executor, float32 otherwise."""
    path = Path(checkpoint)
    path = path / "checkpoints" / "latest.safetensors" if path.is_dir() else path
    with safe_open(path, framework="pt") as file:
        model = build(json.loads(file.metadata()["frit"])["metadata"])
        state = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(OTHER_STATE)}
        averages = [name for name in file.keys() if name.startswith("average/")]
        if average and not averages:
            raise ValueError(f"{path} has no running average of the weights")
        if average:
            # Of buffers, the statistics of batch normalisations have an average; others stay.
            state |= {name.removeprefix("average/"): file.get_tensor(name) for name in averages}
    if isinstance(model, Prior):
        # The tensors of the frozen VQ-VAE have its name before theirs.
        place = lambda name: name.replace("/", ".") if name.startswith("vqvae/") else f"prior.{name}"
        state = {place(name): tensor for name, tensor in state.items()}
    if isinstance(model, RealNvp):
        # Likewise those of the frozen autoencoder.
        place = lambda name: name.replace("/", ".") if "/" in name else f"realnvp.{name}"
        state = {place(name): tensor for name, tensor in state.items()}
    # Set the dtype first, or loading would round the weights to float32.
    model.to(dtype or next(iter(state.values())).dtype)
    # Strict, so that a missing or surplus tensor is an error. `num_batches_tracked` is missing, which PyTorch accepts
    # from a state dict without version metadata; no result depends on it.
    model.load_state_dict(state, strict=True)
    return model.eval().requires_grad_(False)


def images(array, dtype=torch.float64):
    """Images [n, h, w] or [n, h, w, c], bytes or numbers in [0, 1], as [n, c, h, w]."""
    x = torch.from_numpy(np.asarray(array))
    x = x.to(dtype) / 255 if x.dtype == torch.uint8 else x.to(dtype)
    return x[:, None] if x.dim() == 3 else x.permute(0, 3, 1, 2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("inputs")
    parser.add_argument("outputs")
    parser.add_argument("--classes")
    parser.add_argument("--average", action="store_true")
    args = parser.parse_args()
    model = load(args.checkpoint, args.average)
    inputs = np.load(args.inputs)
    y = None if args.classes is None else torch.from_numpy(np.load(args.classes).astype(np.int64))
    dtype = next(model.parameters()).dtype
    if inputs.ndim == 2:
        outputs = {"picture": model.decode(torch.from_numpy(inputs).to(dtype), y)}
    else:
        outputs = model(images(inputs, dtype), y)
    if "picture" in outputs:
        outputs["picture"] = outputs["picture"].permute(0, 2, 3, 1)
    save_file({name: tensor.contiguous() for name, tensor in outputs.items()}, args.outputs)


if __name__ == "__main__":
    main()
