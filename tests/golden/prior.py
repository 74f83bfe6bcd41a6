"""Write prior.safetensors and pixelcnn.safetensors, five steps of a gated PixelCNN over the codes of images, and over the
levels of pixels, as models.py writes its runs, and gated.safetensors, its gate.

    pip install -r requirements.txt
    python prior.py

The network is written with masks, as the paper has it (van den Oord et al., 2016, figure 2): windows are centred on
their pixel, and weights of pixels that it must not see are zero. frit's has none, so the script takes the weights that
a mask leaves and pads where it needs to.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from make import BETAS, EPSILON, f32, rng
from models import BATCH, outcome, pixels, shares, stored
from noise import MIX, SEED, uniform
from safetensors.torch import save
from torch import nn

WIDTH, LAYERS, OUTPUT, CODES, CLASSES, LEVELS = 5, 3, 6, 7, 3, 3


class Layer(nn.Module):
    """A layer of kernel 3. Its weights are those that the masks leave: two rows and three columns of the vertical
    window, two pixels of the horizontal one."""

    def __init__(self, first):
        super().__init__()
        self.first = first
        self.vertical = nn.Conv2d(WIDTH, 2 * WIDTH, (2, 3))
        self.horizontal = nn.Conv2d(WIDTH, 2 * WIDTH, (1, 2))
        self.link = nn.Conv2d(2 * WIDTH, 2 * WIDTH, 1)
        self.mix = nn.Conv2d(WIDTH, WIDTH, 1)
        self.add_module("class", nn.Embedding(CLASSES, 2 * WIDTH))

    def forward(self, v, h, y):
        # Centred windows of five by three and of one by five, zero below and to the right. The first layer's are zero
        # in their own row, and pixel, too.
        if self.first:
            above = F.conv2d(v, F.pad(self.vertical.weight, (0, 0, 0, 3)), self.vertical.bias, padding=(2, 1))
            left = F.conv2d(h, F.pad(self.horizontal.weight, (0, 3)), self.horizontal.bias, padding=(0, 2))
        else:
            above = F.conv2d(v, F.pad(self.vertical.weight, (0, 0, 0, 1)), self.vertical.bias, padding=(1, 1))
            left = F.conv2d(h, F.pad(self.horizontal.weight, (0, 1)), self.horizontal.bias, padding=(0, 1))
        added = getattr(self, "class")(y)[:, :, None, None]
        gate = lambda x: torch.tanh((x + added)[:, :WIDTH]) * torch.sigmoid((x + added)[:, WIDTH:])
        out = self.mix(gate(left + self.link(above)))
        return gate(above), out if self.first else h + out


class PixelCnn(nn.Module):
    def __init__(self, codes):
        super().__init__()
        self.embedding = nn.Embedding(codes, WIDTH)
        self.layers = nn.ModuleList(Layer(i == 0) for i in range(LAYERS))
        self.hidden = nn.Conv2d(WIDTH, OUTPUT, 1)
        self.logits = nn.Conv2d(OUTPUT, codes, 1)

    def output(self, index, y):
        v = h = self.embedding(index).permute(0, 3, 1, 2)
        for layer in self.layers:
            v, h = layer(v, h, y)
        return self.logits(F.relu(self.hidden(F.relu(h))))

    def forward(self, index, y):
        """The mean of −log p of a code, in nats."""
        return F.cross_entropy(self.output(index, y), index)


def check_order(model, index, y):
    """No logit depends on its own code or a later one, and the last one on every earlier code."""
    before = model.output(index, y).flatten(2)
    for at in range(index[0].numel()):
        changed = index.flatten(1).clone()
        changed[:, at] = (changed[:, at] + 1) % CODES
        differs = (model.output(changed.reshape(index.shape), y).flatten(2) != before).any(1).any(0)
        assert not differs[: at + 1].any() and (at + 1 == len(differs) or differs[-1]), f"code {at}: {differs}"


def gates():
    """y = tanh(a) σ(b) of the halves of x + bias, whose rows each belong to three rows of x; without a bias too."""
    tensors = {}
    for case in ("biased", "plain"):
        numbers = lambda shape: rng(f"gated/{case}/{shape}").standard_normal(shape).astype("f4")
        draw = lambda *shape: torch.from_numpy(numbers(shape)).double()
        x, bias = draw(2, 3, 10).requires_grad_(), draw(2, 10).requires_grad_()
        dy = draw(2, 3, 5)
        a, b = (x + bias[:, None] if case == "biased" else x).chunk(2, 2)
        y = a.tanh() * b.sigmoid()
        y.backward(dy)
        found = {"x": x, "dy": dy, "y": y, "dx": x.grad}
        found |= {"bias": bias, "dbias": bias.grad} if case == "biased" else {}
        tensors |= {f"gated/{case}/{name}": tensor.detach().clone() for name, tensor in found.items()}
    return tensors


def trained(model, tensors, batch_of, columns_of, whole=False):
    """Five steps on batches (codes, classes), by the loss of a code or of a whole image."""
    tensors |= stored("initial", model)
    adam = torch.optim.Adam(model.parameters(), lr=f32(1e-3), betas=BETAS, eps=EPSILON)
    history = []
    for step in range(5):
        index, y = batch_of(step)
        nats = model(index, y)
        adam.zero_grad()
        (nats * index[0].numel() if whole else nats).backward()
        adam.step()
        history.append(columns_of(nats, index[0].numel()))
    return tensors | outcome(model, history, adam)


def of_codes():
    torch.manual_seed(SEED)
    codes = torch.from_numpy(rng("prior").integers(0, CODES, (20, 3, 3)))
    # Half of the codes repeat the one before, so that there is something to learn.
    codes[:, :, 1:][:, ::2] = codes[:, :, :-1][:, ::2]
    labels = torch.arange(20) % CLASSES
    model = PixelCnn(CODES).double()
    check_order(model, codes, labels)
    words = {"codes": codes.to(torch.uint8), "labels": labels.to(torch.uint8)}
    columns = lambda nats, count: {"code_nats": nats, "code_bits": nats * count / math.log(2)}
    batch = lambda step: (codes.split(BATCH)[step % 3], labels.split(BATCH)[step % 3])
    return trained(model, {"data": pixels("prior", 12, 9, 1)} | words, batch, columns)


def of_levels():
    """Levels that are drawn: of the two nearest, each with a probability that makes their mean the pixel's."""
    torch.manual_seed(SEED)
    data, labels = pixels("pixelcnn", 4, 5, 1), torch.arange(20) % CLASSES
    model = PixelCnn(LEVELS).double()

    def batch(step):
        x, y = (part.split(BATCH)[step % 3] for part in (shares(data)[:, 0], labels))
        u = uniform(step + 1, MIX, x.numel()).reshape(x.shape)
        return (x * (LEVELS - 1) + u).floor().clamp(0, LEVELS - 1).long(), y

    columns = lambda nats, count: {"image_nats": nats * count, "pixel_bits": nats / math.log(2)}
    return trained(model, {"data": data, "labels": labels.to(torch.uint8)}, batch, columns, whole=True)


def main():
    torch.set_num_threads(1)
    runs = {"gated": gates, "prior": of_codes, "pixelcnn": of_levels}
    for stem, tensors in runs.items():
        Path(__file__).with_name(f"{stem}.safetensors").write_bytes(save(tensors()))


if __name__ == "__main__":
    main()
