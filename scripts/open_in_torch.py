#!/usr/bin/env python3
"""Opens a checkpoint of frit's as a PyTorch module, and gives it pictures or codes.

    pip install torch numpy safetensors
    scripts/open_in_torch.py CHECKPOINT INPUTS.npy OUTPUTS.safetensors [--classes CLASSES.npy] [--average]

CHECKPOINT is a run's folder, of which the latest checkpoint is taken, or a .safetensors file. INPUTS are pictures,
[n, h, w] or [n, h, w, c], as bytes or as numbers in [0, 1], or codes: latents [n, latent], or of a VQ-VAE the numbers
of an image's codes [n, h · w], row by row. OUTPUTS then holds what the model makes of them, pictures as [n, h, w, c] in
[0, 1]. Models that are told the class want it for each input: CLASSES, whole numbers [n]. --average takes the running
average of the weights, where the run kept one.

The file is meant to be copied: `load` gives the module, and each family is a class of its own. What builds it, the
run's configuration, the size of a picture and the classes, is in the checkpoint's notes. Modules take images as PyTorch
has them, [n, c, h, w].
"""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

# What is not the networks': the optimiser's moments, running averages of the weights, clocks and rates.
APART = ("adam.m/", "adam.v/", "average/", "state/")
# What a network is told of the class, in place of one.
TOLD = 5.0
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
    """Heights and widths from an image's to what so many halvings make of it."""
    sizes = [tuple(size)]
    for _ in range(times):
        sizes.append(halved(sizes[-1]))
    return sizes


def window(size):
    """Of a convolution that halves images of `size`, rounding up, and of the transpose that takes them back: four
    pixels along an even side and three along an odd one, so that neither needs padding of its output."""
    return [4 if side % 2 == 0 else 3 for side in size]


def down(inputs, outputs, size, bias=True):
    return nn.Conv2d(inputs, outputs, window(size), stride=2, padding=1, bias=bias)


def up(inputs, outputs, size, bias=True):
    return nn.ConvTranspose2d(inputs, outputs, window(size), stride=2, padding=1, bias=bias)


def same(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def linear(widths, act):
    """Linear layers from each width to the next, an activation after each."""
    return [layer for pair in zip(widths, widths[1:]) for layer in (nn.Linear(*pair), act())]


class Stack(nn.Sequential):
    """An `nn.Sequential` whose first layer, where it is linear, takes images as rows, channels first."""

    def forward(self, x):
        return super().forward(x.flatten(1) if isinstance(self[0], nn.Linear) else x)


def encoder(settings, image, code=None):
    """From images to what an autoencoder's code is made from, or with `code` to that many numbers."""
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
    """The way back. Linear layers alone give images as rows, channels first."""
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
    """A family. Images are [n, c, h, w] with black at 0 and white at 1; `y` are classes [n], where they are told.

    `forward` gives what the model makes of images, by name; `decode` the pictures of codes."""

    def __init__(self, settings, image, classes):
        super().__init__()
        self.settings, self.image = settings, image
        self.told = classes if settings.get("conditional") else 0

    def beside(self, rows, y):
        """Rows beside what is told of their classes."""
        if not self.told:
            return rows
        if y is None:
            raise ValueError("this model is told the class of each input: give CLASSES, or `y`")
        return torch.cat([rows, TOLD * F.one_hot(y, self.told).to(rows.dtype)], 1)

    def decode(self, z, y=None):
        raise ValueError("this model makes no pictures of codes")


class Decoding(Model):
    """What makes pictures of latents z [n, latent]."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        self.decoder = decoder(settings, image, settings["latent"] + self.told)

    def output(self, z, y=None):
        """Logits of a Bernoulli likelihood, means of a Gaussian one."""
        return self.decoder(self.beside(z, y)).reshape(-1, *self.image)

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


class Vae(Decoding):
    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        width, latent = settings["hidden"][-1], settings["latent"]
        self.encoder = encoder(settings, image)
        self.mean = nn.Linear(width + self.told, latent)
        self.logvar = nn.Linear(width + self.told, latent)

    def forward(self, x, y=None):
        """q(z|x), and the picture of its mean."""
        h = self.beside(self.encoder(x), y)
        mean = self.mean(h)
        return {"mean": mean, "logvar": self.logvar(h), "picture": self.decode(mean, y)}


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Codebook(nn.Module):
    """The codes: learnt by gradient, or quotients of running averages, which are kept beside them."""

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
        """The numbers of the codes nearest to z [n, m, latent]: [n, m]."""
        # Not by a product, which would round away what two near codes differ in.
        return torch.cdist(z, self.weight, compute_mode="donot_use_mm_for_euclid_dist").argmin(2)


class VqVae(Model):
    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        channels, *size = image
        width, latent, times = (settings[key] for key in ("width", "latent", "halvings"))
        *sizes, self.small = halvings(size, times)
        blocks = lambda: [self.residual(width, settings["residual"]) for _ in range(settings["blocks"])]
        widths = [channels, *[(width + 1) // 2] * (times - 1), width]
        outwards = list(zip(widths, widths[1:], sizes))
        layers = [layer for outer, inner, size in outwards for layer in (down(outer, inner, size), nn.ReLU())]
        self.encoder = nn.Sequential(*layers, same(width, width), *blocks(), nn.ReLU(), nn.Conv2d(width, latent, 1))
        layers = [layer for outer, inner, size in reversed(outwards) for layer in (up(inner, outer, size), nn.ReLU())]
        self.decoder = nn.Sequential(same(latent, width), *blocks(), nn.ReLU(), *layers[:-1])
        self.codebook = Codebook(settings["codes"], latent, settings["ema"] > 0)

    @staticmethod
    def residual(width, inner):
        return Residual(nn.ReLU(), same(width, inner), nn.ReLU(), nn.Conv2d(inner, width, 1))

    def encode(self, x):
        """z [n, h · w, latent], and the numbers of the nearest codes [n, h · w]."""
        z = self.encoder(x - 0.5).flatten(2).transpose(1, 2)
        return z, self.codebook.nearest(z)

    def decode(self, z, y=None):
        codes = self.codebook.weight[z.long()].transpose(1, 2)
        return self.decoder(codes.unflatten(2, self.small)) + 0.5

    def forward(self, x, y=None):
        _, index = self.encode(x)
        return {"index": index, "picture": self.decode(index)}


class Classifier(Model):
    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        self.classifier = encoder(settings, image, classes)

    def forward(self, x, y=None):
        return {"logits": self.classifier(x)}


class Gan(Model):
    """Both players. To them black is at −1."""

    def __init__(self, settings, image, classes):
        super().__init__(settings, image, classes)
        players = self.of_convolutions if settings["width"] else self.of_linear_layers
        generator, discriminator = players(settings, image)
        if settings["spectral"]:
            for layer in discriminator:
                if isinstance(layer, (nn.Linear, nn.Conv2d)):
                    nn.utils.spectral_norm(layer)
        self.generator, self.discriminator = Stack(*generator), Stack(*discriminator)

    def of_linear_layers(self, settings, image):
        pixels, hidden = image[0] * image[1] * image[2], settings["hidden"]
        generator = linear([settings["latent"] + self.told, *hidden], nn.ReLU)
        critic = linear([pixels + self.told, *reversed(hidden)], lambda: nn.LeakyReLU(0.2))
        return [*generator, nn.Linear(hidden[-1], pixels), nn.Tanh()], [*critic, nn.Linear(hidden[0], 1)]

    def of_convolutions(self, settings, image):
        channels, *size = image
        sizes = [tuple(size)]
        while min(sizes[-1]) > INNERMOST:
            sizes.append(halved(sizes[-1]))
        *sizes, innermost = sizes
        widths = [channels, *(settings["width"] << i for i in range(len(sizes)))]
        levels = list(enumerate(zip(widths, widths[1:], sizes)))
        critic = []
        for i, (outer, inner, size) in levels:
            norm = [nn.BatchNorm2d(inner)] if i > 0 and settings["critic_norm"] else []
            critic += [down(outer, inner, size, bias=not norm), *norm, nn.LeakyReLU(0.2)]
        critic.append(nn.Conv2d(widths[-1], 1, innermost))
        generator = [nn.ConvTranspose2d(settings["latent"], widths[-1], innermost, bias=False)]
        for i, (outer, inner, size) in reversed(levels):
            generator += [nn.BatchNorm2d(inner), nn.ReLU(), up(inner, outer, size, bias=i == 0)]
        return [*generator, nn.Tanh()], critic

    def score(self, x, y=None):
        """What D says of images in [−1, 1]: a logit in the non-saturating game."""
        # Beside its class an image is a row of pixels with their channels last, not channels first as elsewhere.
        x = self.beside(x.permute(0, 2, 3, 1).flatten(1), y) if self.told else x
        return self.discriminator(x).flatten()

    def generate(self, z, y=None):
        """Images in [−1, 1]."""
        z = z if self.settings["width"] == 0 else z[:, :, None, None]
        return self.generator(self.beside(z, y)).reshape(-1, *self.image)

    def decode(self, z, y=None):
        return (self.generate(z, y) + 1) / 2

    def forward(self, x, y=None):
        return {"score": self.score(2 * x - 1, y)}


FAMILIES = {"vae": Vae, "ae": Autoencoder, "gan": Gan, "vqvae": VqVae, "classifier": Classifier}


def build(notes):
    """The module that a checkpoint's notes describe, with whatever weights."""
    config = tomllib.loads(notes["config"])
    height, width, channels = map(int, notes["picture"].split("x"))
    family = FAMILIES[config["family"]]
    return family(config[config["family"]], (channels, height, width), len(json.loads(notes["classes"])))


def load(checkpoint, average=False, dtype=None):
    """The module of a run's latest checkpoint, or of a .safetensors file, ready to be used.

    It computes as the run did unless `dtype` says otherwise: in float64 where that was on the CPU executor, in float32
    where on a GPU."""
    path = Path(checkpoint)
    path = path / "checkpoints" / "latest.safetensors" if path.is_dir() else path
    with safe_open(path, framework="pt") as file:
        model = build(json.loads(file.metadata()["frit"])["metadata"])
        state = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(APART)}
        averages = [name for name in file.keys() if name.startswith("average/")]
        if average and not averages:
            raise ValueError(f"{path} holds no running average of the weights")
        if average:
            # In place of the parameters; what a normalisation keeps has none.
            state |= {name.removeprefix("average/"): file.get_tensor(name) for name in averages}
    # Before the weights come, or they would be rounded to float32.
    model.to(dtype or next(iter(state.values())).dtype)
    # As strict as can be, so that no tensor is missed or left over. PyTorch counts the batches that a normalisation
    # has seen, which no result depends on; it does without where a file says nothing of versions.
    model.load_state_dict(state, strict=True)
    return model.eval().requires_grad_(False)


def images(pictures, dtype=torch.float64):
    """Pictures [n, h, w] or [n, h, w, c], bytes or numbers in [0, 1], as [n, c, h, w]."""
    x = torch.from_numpy(np.asarray(pictures))
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
