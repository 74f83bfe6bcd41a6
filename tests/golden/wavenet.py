"""Write wavenet.safetensors, five steps of a WaveNet over pieces of codes, as models.py writes its runs.

    pip install -r requirements.txt
    python wavenet.py

The network is written as the paper has it (van den Oord et al., 2016): the input is shifted by one position, and every
convolution is padded on the left by its reach. frit pads more and crops instead of shifting.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from make import BETAS, EPSILON, f32, rng
from models import BATCH, outcome, stored
from noise import SEED, philox
from safetensors.torch import save
from torch import nn

WIDTH, SKIP, OUTPUT, KERNEL, CODES, CLASSES = 5, 7, 6, 2, 256, 3
DILATIONS = [1, 2, 4, 1, 2, 4]
PIECE, LENGTH = 29, 23
WINDOW = 17  # frit's Stream::Window


class Layer(nn.Module):
    def __init__(self, dilation, last):
        super().__init__()
        self.reach = (KERNEL - 1) * dilation
        self.dilated = nn.Conv2d(WIDTH, 2 * WIDTH, (1, KERNEL), dilation=(1, dilation))
        self.residual = None if last else nn.Conv2d(WIDTH, WIDTH, 1)
        self.skip = nn.Conv2d(WIDTH, SKIP, 1)
        self.add_module("class", nn.Embedding(CLASSES, 2 * WIDTH))

    def forward(self, x, y):
        sums = self.dilated(F.pad(x, (self.reach, 0))) + getattr(self, "class")(y)[:, :, None, None]
        gate = torch.tanh(sums[:, :WIDTH]) * torch.sigmoid(sums[:, WIDTH:])
        return x if self.residual is None else x + self.residual(gate), self.skip(gate)


class Wavenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(CODES, WIDTH)
        self.first = nn.Conv2d(WIDTH, WIDTH, (1, KERNEL))
        self.layers = nn.ModuleList(Layer(d, i + 1 == len(DILATIONS)) for i, d in enumerate(DILATIONS))
        self.hidden = nn.Conv2d(SKIP, OUTPUT, 1)
        self.logits = nn.Conv2d(OUTPUT, CODES, 1)

    def output(self, index, y):
        embedded = self.embedding(index).permute(0, 2, 1)[:, :, None]
        shifted = F.pad(embedded, (1, 0))[..., :-1]
        x, skips = self.first(F.pad(shifted, (KERNEL - 1, 0))), 0
        for layer in self.layers:
            x, skip = layer(x, y)
            skips = skips + skip
        return self.logits(F.relu(self.hidden(F.relu(skips))))[:, :, 0]

    def forward(self, index, y):
        nats = F.cross_entropy(self.output(index, y), index)
        return {"sample_nats": nats, "byte_bits": nats / math.log(2)}, nats


def check_order(model, index, y):
    """A logit depends on no code at its position or later, on the one before, and on none beyond the reach."""
    before, reach = model.output(index, y), KERNEL + (KERNEL - 1) * sum(DILATIONS)
    for at in range(LENGTH):
        changed = index.clone()
        changed[:, at] = (changed[:, at] + 1) % CODES
        differs = (model.output(changed, y) != before).any(1).any(0)
        assert not differs[: at + 1].any() and not differs[at + 1 + reach :].any(), f"code {at}: {differs}"
        assert at + 1 == LENGTH or differs[at + 1], f"code {at}: {differs}"


def windows(pieces, step):
    """A window of each piece, from the position that frit draws on."""
    block = np.arange((len(pieces) + 3) // 4)
    same = np.ones_like(block)
    words = philox([block, WINDOW * same, step * same, 0 * same], (SEED & 0xFFFFFFFF, SEED >> 32)).T.reshape(-1)
    starts = (words[: len(pieces)] * np.uint64(PIECE - LENGTH + 1)) >> np.uint64(32)
    return torch.stack([piece[int(start) :][:LENGTH] for piece, start in zip(pieces, starts)])


def main():
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    data = torch.from_numpy(rng("wavenet").integers(0, CODES, (20, PIECE)))
    # Half of the codes repeat the one before, so that there is something to learn.
    data[:, 1::2] = data[:, ::2][:, : PIECE // 2]
    labels = torch.arange(20) % CLASSES
    model = Wavenet().double()
    check_order(model, windows(data, 1), labels)
    words = {"data": data.to(torch.uint8), "labels": labels.to(torch.uint8)}
    tensors = words | stored("initial", model)
    adam = torch.optim.Adam(model.parameters(), lr=f32(1e-3), betas=BETAS, eps=EPSILON)
    history = []
    for step in range(5):
        index, y = windows(data.split(BATCH)[step % 3], step + 1), labels.split(BATCH)[step % 3]
        columns, loss = model(index, y)
        adam.zero_grad()
        loss.backward()
        adam.step()
        history.append(columns)
    Path(__file__).with_name("wavenet.safetensors").write_bytes(save(tensors | outcome(model, history, adam)))


if __name__ == "__main__":
    main()
