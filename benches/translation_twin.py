#!/usr/bin/env python3
"""Train the PyTorch twin of an image-to-image translation on the same images, and compare their errors.

    benches/translation_twin.py RUN [--seed N] [--threads N] [--steps N]

RUN is a run of the family cyclegan or paired on two folders of colour images with equal file names (`--pairs name`),
which are not resized. The twin has the run's settings: networks, losses, replay pool, batch size, epochs, learning rate and
its schedule, averaged weights, mirrored images, with PyTorch's random numbers. Prints the mean absolute error, in [0, 1],
of translations of the test images to B, and of a CycleGAN to A, of both.
"""

import argparse
import copy
import itertools
import json
import math
import random
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
import open_in_torch as frit


def read(folder, names):
    """Images of a folder by name, in [−1, 1]: [n, c, h, w]."""
    pixels = np.stack([np.asarray(Image.open(Path(folder, name)).convert("RGB")) for name in names])
    return 2 * frit.images(pixels, torch.float32) - 1


def error(made, truth):
    """The mean absolute error of images on the scale from 0 to 1."""
    return float((made.clamp(-1, 1) - truth).abs().mean() / 2)


def made(network, images):
    with torch.no_grad():
        return torch.cat([network(part) for part in images.split(100)])


def mirrored(images, flipped):
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


class Average:
    """The running average of a model's weights, whose decay rises to its value."""

    def __init__(self, model, decay):
        self.model, self.of, self.decay, self.step = copy.deepcopy(model), model, decay, 0

    def update(self):
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for average, weight in zip(self.model.parameters(), self.of.parameters()):
                average.lerp_(weight, 1 - decay)


class Pool:
    """The last images that a generator made: half of those given are exchanged for earlier ones."""

    def __init__(self, size):
        self.size, self.images = size, []

    def exchange(self, images):
        out = []
        for image in images:
            if len(self.images) < self.size:
                self.images.append(image)
            elif random.random() > 0.5:
                at = random.randrange(self.size)
                self.images[at], image = image, self.images[at]
            out.append(image)
        return torch.stack(out)


def start(network):
    """The initial weights of frit's convolutions: N(0, 0.02)."""
    for module in network.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
            torch.nn.init.normal_(module.weight, 0.0, 0.02)


def score(kind, d, real):
    """The mean loss of scores, as the discriminator's: least squares with a factor of a half, or logits."""
    target = torch.full_like(d, float(real))
    if kind == "least_squares":
        return 0.5 * F.mse_loss(d, target)
    return F.binary_cross_entropy_with_logits(d, target)


class CycleTwin:
    def __init__(self, settings, model, adam):
        self.settings, self.model = settings, model
        start(model)
        self.pools = {side: Pool(settings["pool"]) for side in "ab"}
        nets = lambda *names: itertools.chain(*(getattr(model, name).parameters() for name in names))
        self.d_adam, self.g_adam = adam(nets("of_a", "of_b")), adam(nets("to_a", "to_b"))
        self.adams = [self.d_adam, self.g_adam]

    def step(self, a, b):
        settings, model = self.settings, self.model
        kind, x = settings["loss"], {"a": a, "b": b}
        sides = [(side, other, getattr(model, f"to_{side}"), getattr(model, f"of_{side}")) for side, other in ("ab", "ba")]
        loss = 0
        for side, other, to, of in sides:
            with torch.no_grad():
                fake = to(x[other])
            fake = self.pools[side].exchange(fake) if settings["pool"] else fake
            loss = loss + score(kind, of(x[side]), 1) + score(kind, of(fake), 0)
        moved(self.d_adam, loss)
        loss = 0
        for side, other, to, of in sides:
            back = getattr(model, f"to_{other}")
            fake = to(x[other])
            loss = loss + (2 if kind == "least_squares" else 1) * score(kind, of(fake), 1)
            loss = loss + settings["cycle_weight"] * F.l1_loss(back(fake), x[other])
            if settings["identity_weight"]:
                loss = loss + settings["identity_weight"] * F.l1_loss(to(x[side]), x[side])
        moved(self.g_adam, loss)

    def errors(self, a, b):
        return {"b": error(made(self.model.to_b, a), b), "a": error(made(self.model.to_a, b), a)}

    def orders(self, count):
        return torch.randperm(count), torch.randperm(count)


class PairedTwin:
    def __init__(self, settings, model, adam):
        self.settings, self.model = settings, model
        self.g_adam, self.adams = adam(model.generator.parameters()), []
        if settings["gan_weight"]:
            start(model.discriminator)
            self.d_adam = adam(model.discriminator.parameters())
            self.adams = [self.d_adam]
        self.adams.append(self.g_adam)

    def step(self, a, b):
        settings, model = self.settings, self.model
        kind, weight = settings["loss"], settings["gan_weight"]
        scored = lambda image: model.discriminator(torch.cat([a, image], 1))
        if weight:
            with torch.no_grad():
                fake = model.made(a)
            moved(self.d_adam, 0.5 * (score(kind, scored(b), 1) + score(kind, scored(fake), 0)))
        fake = model.made(a)
        loss = settings["l1_weight"] * F.l1_loss(fake, b)
        loss = loss + weight * score(kind, scored(fake), 1) if weight else loss
        moved(self.g_adam, loss)

    def errors(self, a, b):
        return {"b": error(made(self.model.made, a), b)}

    def orders(self, count):
        order = torch.randperm(count)
        return order, order


def moved(adam, loss):
    adam.zero_grad()
    loss.backward()
    adam.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    config = tomllib.loads(Path(args.run, "config.toml").read_text())
    parts = json.loads(Path(args.run, "images.json").read_text())
    data, train, optimiser = config["data"], config["train"], config["optimiser"]
    names = {part: [entry["path"] for entry in parts[part]] for part in ("train", "test")}
    (a, b), (test_a, test_b) = ([read(data[side], names[part]) for side in ("source", "b")] for part in names)

    ours = frit.load(args.run, dtype=torch.float32)
    family = config["family"]
    twin_of = {"cyclegan": CycleTwin, "paired": PairedTwin}[family]
    average = optimiser["average"] > 0
    of_frit = twin_of.errors(argparse.Namespace(model=frit.load(args.run, average, torch.float32)), test_a, test_b)
    print(f"frit: {of_frit}", flush=True)

    model = type(ours)(config[family], ours.image, 0)
    betas = optimiser["beta1"], optimiser["beta2"]
    twin = twin_of(config[family], model, lambda parameters: torch.optim.Adam(parameters, optimiser["lr"], betas))
    averaged = Average(model, optimiser["average"]) if average else twin
    batch = train["batch_size"]
    per_epoch = math.ceil(len(a) / batch)
    steps = min(train["epochs"] * per_epoch, train["steps"] or math.inf, args.steps or math.inf)
    held = optimiser["lr_hold"] * steps if optimiser["lr_schedule"] == "linear" else 0
    rate = lambda step: 1 - max(step + 1 - held, 0) / (steps - held)
    constant = optimiser["lr_schedule"] == "constant"
    rates = [torch.optim.lr_scheduler.LambdaLR(adam, (lambda _: 1) if constant else rate) for adam in twin.adams]
    begun, step = time.time(), 0
    for epoch in range(math.ceil(steps / per_epoch)):
        for of_a, of_b in zip(*(order.split(batch) for order in twin.orders(len(a)))):
            if step == steps:
                break
            x, y = a[of_a], b[of_b]
            if data.get("mirror"):
                flips = torch.rand(2, len(x)) < 0.5
                x, y = mirrored(x, flips[0]), mirrored(y, flips[0 if family == "paired" else 1])
            twin.step(x, y)
            if average:
                averaged.update()
            for schedule in rates:
                schedule.step()
            step += 1
        print(f"epoch {epoch + 1}: {twin_of.errors(averaged, test_a, test_b)}, {time.time() - begun:.0f} s", flush=True)
    print(f"PyTorch: {twin_of.errors(averaged, test_a, test_b)}; frit: {of_frit}")


if __name__ == "__main__":
    main()
