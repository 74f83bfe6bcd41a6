#!/usr/bin/env python3
"""Train the PyTorch twin of a WaveNet on the same text, and compare their likelihoods.

    benches/wavenet_twin.py RUN TEXT.txt [--seed N] [--threads N]

RUN is a finished run of the family wavenet without classes, and TEXT its data. The twin has the run's settings: layers,
widths, windows, batch size, epochs, learning rate and its cosine, and PyTorch's initial weights. Windows start at random
positions of the same pieces. Prints bits a byte on the test pieces, of both; both without an average of the weights.
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


def divided(text, data):
    """The training and the test pieces of a text, as frit divides it."""
    codes = np.fromfile(text, np.uint8)
    length = data["length"]
    codes = torch.from_numpy(codes[: len(codes) // length * length].reshape(-1, length).astype(np.int64))
    train = len(codes) - max(1, round(data["test"] * len(codes)))
    return codes[:train], codes[train:]


def bits(model, pieces):
    """The mean −log₂ p of a byte."""
    with torch.no_grad():
        rows = [F.cross_entropy(model.distribution(part), part, reduction="sum") for part in pieces.split(16)]
    return float(sum(rows) / pieces.numel() / math.log(2))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = tomllib.loads(Path(args.run, "config.toml").read_text())
    train, optimiser, settings = config["train"], config["optimiser"], config["wavenet"]
    pieces, test = divided(args.text, config["data"])
    ours = bits(frit.load(args.run, dtype=torch.float32), test)
    print(f"frit: {ours:.4f} bits a byte", flush=True)

    torch.manual_seed(args.seed)
    twin = frit.Wavenet(settings, (1, 1, pieces.shape[1]), 1)
    adam = torch.optim.Adam(twin.parameters(), optimiser["lr"], (optimiser["beta1"], optimiser["beta2"]))
    length = settings["length"]
    batch, per_epoch = train["batch_size"], math.ceil(len(pieces) / train["batch_size"])
    steps = min(train["epochs"] * per_epoch, train["steps"] or math.inf)
    falls = {"cosine": lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)), "constant": lambda step: 1.0}
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, falls[optimiser["lr_schedule"]])
    begun, step = time.time(), 0
    for epoch in range(math.ceil(steps / per_epoch)):
        for rows in torch.randperm(len(pieces)).split(batch):
            if step == steps:
                break
            starts = torch.randint(pieces.shape[1] - length + 1, (len(rows),))
            codes = torch.stack([pieces[row, start : start + length] for row, start in zip(rows, starts)])
            loss = F.cross_entropy(twin.distribution(codes), codes)
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            step += 1
        print(f"epoch {epoch + 1}: {bits(twin, test):.4f} bits a byte, {time.time() - begun:.0f} s", flush=True)
    theirs = bits(twin, test)
    print(f"PyTorch: {theirs:.4f} bits a byte; frit is {100 * (ours / theirs - 1):+.2f} %")


if __name__ == "__main__":
    main()
