#!/usr/bin/env python3
"""Train the PyTorch twin of a prior on the same codes, and compare their likelihoods.

    benches/prior_twin.py RUN DATA.npz [--seed N] [--threads N]

RUN is a finished run of the family prior, and DATA its data: x_train, y_train, x_test and y_test, as bytes. The twin has
the run's settings: layers, width, batch size, epochs, learning rate and its cosine, and PyTorch's initial weights. Its
codes are those of the run's VQ-VAE, by scripts/open_in_torch.py. Prints nats a code on the test set, of both.
"""

import argparse
import math
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))
import open_in_torch as frit


def encoded(model, images):
    """The codes [n, h, w] of images in bytes."""
    with torch.no_grad():
        parts = [model.vqvae.encode(frit.images(part, torch.float32))[1] for part in np.array_split(images, 32)]
    return torch.cat(parts).unflatten(1, model.vqvae.small)


def nats(prior, codes, y):
    """The mean −log p of a code."""
    with torch.no_grad():
        rows = [F.cross_entropy(prior(c, l), c, reduction="sum") for c, l in zip(codes.split(500), y.split(500))]
    return float(sum(rows) / codes.numel())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = tomllib.loads(Path(args.run, "config.toml").read_text())
    model, data = frit.load(args.run, dtype=torch.float32), np.load(args.data)
    codes, test = encoded(model, data["x_train"]), encoded(model, data["x_test"])
    y, y_test = (torch.from_numpy(data[name].astype(np.int64)) for name in ("y_train", "y_test"))
    ours = nats(model.prior, test, y_test)
    print(f"frit: {ours:.4f} nats a code", flush=True)

    torch.manual_seed(args.seed)
    twin = frit.PixelCnn(config["prior"], model.classes)
    for layer in twin.layers if model.classes else []:
        torch.nn.init.normal_(getattr(layer, "class").weight, 0.0, 0.1)
    train, optimiser = config["train"], config["optimiser"]
    adam = torch.optim.Adam(twin.parameters(), optimiser["lr"], (optimiser["beta1"], optimiser["beta2"]))
    per_epoch = math.ceil(len(codes) / train["batch_size"])
    steps = min(train["epochs"] * per_epoch, train["steps"] or math.inf)
    falls = {"cosine": lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)), "constant": lambda step: 1.0}
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, falls[optimiser["lr_schedule"]])
    begun, step = time.time(), 0
    for epoch in range(math.ceil(steps / per_epoch)):
        for rows in torch.randperm(len(codes)).split(train["batch_size"]):
            if step == steps:
                break
            loss = F.cross_entropy(twin(codes[rows], y[rows]), codes[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            step += 1
        print(f"epoch {epoch + 1}: {nats(twin, test, y_test):.4f} nats a code, {time.time() - begun:.0f} s", flush=True)
    theirs = nats(twin, test, y_test)
    print(f"PyTorch: {theirs:.4f} nats a code; frit is {100 * (ours / theirs - 1):+.2f} %")


if __name__ == "__main__":
    main()
