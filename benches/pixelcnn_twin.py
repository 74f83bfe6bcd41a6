#!/usr/bin/env python3
"""Train the PyTorch twin of a PixelCNN on the same images, and compare their likelihoods.

    benches/pixelcnn_twin.py RUN DATA.npz [--start RUN] [--seed N] [--threads N]

RUN is a finished run of the family pixelcnn, and DATA its data: x_train, y_train, x_test and y_test, as bytes. The twin
has the run's settings: network, batch size, steps, learning rate and its cosine. Both see pixels drawn anew in each
step. Prints nats an image on one drawing of the test set, of both.

The twin has PyTorch's initial weights, and its own order of the images. Seeds differ by more than programs. With --start,
a run of the same seed whose rate was nothing, the twin has frit's initial weights and random numbers; the images are in
their order, so RUN must have train.shuffle = false:

    frit train pixelcnn --data DATA --no-shuffle --steps 600 --out RUN
    frit train pixelcnn --data DATA --no-shuffle --steps 1 --lr 1e-30 --out START
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

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/golden")]
import noise
import open_in_torch as frit


def nats(model, x, y, draws):
    """The mean −log p of an image."""
    parts = zip(x.split(250), y.split(250), draws.split(250))
    with torch.no_grad():
        return sum(float(model(*part)["nats"].sum()) for part in parts) / len(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data")
    parser.add_argument("--start")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    config = tomllib.loads(Path(args.run, "config.toml").read_text())
    data = np.load(args.data)
    x, x_test = (frit.images(data[name], torch.float32) for name in ("x_train", "x_test"))
    y, y_test = (torch.from_numpy(data[name].astype(np.int64)) for name in ("y_train", "y_test"))
    dithered = config["pixelcnn"]["dither"]
    drawn = lambda images: torch.rand(images[:, 0].shape) if dithered else torch.full(images[:, 0].shape, 0.5)
    test = drawn(x_test)
    model = frit.load(args.run, dtype=torch.float32)
    ours = nats(model, x_test, y_test, test)
    print(f"frit: {ours:.3f} nats an image", flush=True)

    twin = frit.Pixels(config["pixelcnn"], tuple(x.shape[1:]), int(y.max()) + 1)
    if args.start:
        assert not config["train"]["shuffle"], "RUN must have train.shuffle = false"
        twin.load_state_dict(frit.load(args.start, dtype=torch.float32).state_dict())
        noise.SEED = config["train"]["seed"]
    for layer in twin.layers if config["pixelcnn"]["class_conditional"] and not args.start else []:
        torch.nn.init.normal_(getattr(layer, "class").weight, 0.0, 0.1)
    train, optimiser = config["train"], config["optimiser"]
    adam = torch.optim.Adam(twin.parameters(), optimiser["lr"], (optimiser["beta1"], optimiser["beta2"]))
    per_epoch = math.ceil(len(x) / train["batch_size"])
    steps = min(train["epochs"] * per_epoch, train["steps"] or math.inf)
    falls = {"cosine": lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)), "constant": lambda step: 1.0}
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, falls[optimiser["lr_schedule"]])
    begun, step = time.time(), 0
    for epoch in range(math.ceil(steps / per_epoch)):
        order = torch.arange(len(x)) if args.start else torch.randperm(len(x))
        for rows in order.split(train["batch_size"]):
            if step == steps:
                break
            images = x[rows]
            draws = drawn(images)
            if args.start and dithered:
                draws = noise.uniform(step + 1, noise.MIX, draws.numel()).float().reshape(draws.shape)
            loss = twin(images, y[rows], draws)["nats"].sum(1).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            step += 1
        print(f"epoch {epoch + 1}: {nats(twin, x_test, y_test, test):.3f}, {time.time() - begun:.0f} s", flush=True)
    theirs = nats(twin, x_test, y_test, test)
    print(f"PyTorch: {theirs:.3f} nats an image; frit is {100 * (ours / theirs - 1):+.2f} %")


if __name__ == "__main__":
    main()
