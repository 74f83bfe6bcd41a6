"""Makes discrete.safetensors: the losses of GANs and of classifiers, vector quantisation, and averaged codebooks.

    pip install -r requirements.txt
    python discrete.py

The rules are make.py's: float64 on the CPU, inputs and hyperparameters exact in float32, every case drawn from a
generator seeded by its name. Tensors are `<op>/<case>/<tensor>`, all F64, indices too; a scalar has one element.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from make import f32, normal, rng, uniform
from safetensors.torch import save

TENSORS = {}


def store(name, **tensors):
    """Adds tensors under `name/`; a scalar becomes a tensor of one element."""
    for key, value in tensors.items():
        value = torch.as_tensor(value, dtype=torch.float64).detach()
        TENSORS[f"{name}/{key}"] = value.reshape(1) if value.dim() == 0 else value.clone()


def bce(d, t):
    """The cross-entropy of every logit against one label."""
    return F.binary_cross_entropy_with_logits(d, torch.full_like(d, t), reduction="none")


# By kind: the loss of real scores under a smoothing, of generated ones, of the generator, and the score reported.
GAN_LOSSES = {
    "non_saturating": (lambda d, s: bce(d, 1 - s), lambda d: bce(d, 0), lambda d: bce(d, 1), torch.sigmoid),
    "least_squares": (
        lambda d, s: 0.5 * (d - (1 - s)) ** 2,
        lambda d: 0.5 * d**2,
        lambda d: 0.5 * (d - 1) ** 2,
        lambda d: d,
    ),
    "hinge": (lambda d, s: F.relu(1 - d), lambda d: F.relu(1 + d), lambda d: -d, torch.sigmoid),
    "wasserstein": (lambda d, s: -d, lambda d: d, lambda d: -d, lambda d: d),
}


def gan_losses():
    """Per score: the loss `y`, `dd` = 0.37 · slope, and the `score`. In `joint` the first three scores are real."""
    weight = f32(0.37)
    for kind, (on_real, on_fake, on_generator, report) in GAN_LOSSES.items():
        smoothings = [0.0, f32(0.1)] if kind in ("non_saturating", "least_squares") else [0.0]
        cases = {"fake": (0.0, on_fake), "generator": (0.0, on_generator)}
        for s in smoothings:
            suffix = "_smoothed" if s else ""
            cases[f"real{suffix}"] = (s, lambda d, s=s: on_real(d, s))
            cases[f"joint{suffix}"] = (s, lambda d, s=s: torch.cat([on_real(d[:3], s), on_fake(d[3:])]))
        for role, (s, function) in cases.items():
            name = f"gan_loss/{kind}_{role}"
            d = normal(rng(name), 9, scale=3.0).requires_grad_()
            y = function(d)
            (dd,) = torch.autograd.grad(y, d, torch.full_like(y, weight))
            store(name, d=d, y=y, dd=dd, score=report(d), weight=weight, smoothing=s)


def first_of_largest(values):
    """Index of the largest of each row; the first of equal ones."""
    places = torch.arange(values.shape[1]).expand_as(values)
    return places.where(values == values.amax(1, keepdim=True), values.shape[1]).amin(1)


def cross_entropies():
    """Of each row: the loss `y` and whether it is an error; `dx` = 0.37 · slope.

    Shares are multiples of 1/64 that sum to 1, exactly. In `tied` both hold few different numbers, each often.
    """
    weight = f32(0.37)
    shapes = {"one_hot": (7, 10), "soft": (6, 13), "two": (5, 2), "far": (8, 10), "tied": (40, 4)}
    for case, (m, k) in shapes.items():
        name = f"cross_entropy/{case}"
        draw = rng(name)
        if case == "tied":
            x = torch.from_numpy(draw.integers(-1, 2, (m, k))).double()
            t = torch.from_numpy(draw.multinomial(4, [1 / k] * k, m)) / 4
        else:
            x = uniform(draw, -200.0, 200.0, m, k) if case == "far" else normal(draw, m, k, scale=3.0)
            t = torch.from_numpy(draw.multinomial(1 if case == "one_hot" else 64, [1 / k] * k, m))
            t = t / t.sum(1, keepdim=True)
        t = t.double()
        x.requires_grad_()
        y = F.cross_entropy(x, t, reduction="none")
        (dx,) = torch.autograd.grad(y, x, torch.full_like(y, weight))
        errors = first_of_largest(x.detach()) != first_of_largest(t)
        store(name, x=x, t=t, y=y, dx=dx, errors=errors, weight=weight)


def nearest(z, codebook):
    """Index of the code nearest to each row, from explicit distances, not a matrix product."""
    return ((z[:, None] - codebook[None]) ** 2).sum(2).argmin(1)


def quantisation():
    """Straight-through look-up with the codebook and commitment losses, as in the paper's eq. 3.

    The loss is Σ dq ⊙ sg-through(q) + 0.37 Σ (sg(z) − q)² + 0.0925 Σ (z − sg(q))²; `y` is ¾ Σ (z − q)² of each row.
    """
    draw = rng("vq/straight_through")
    codebook = normal(draw, 5, 3).requires_grad_()
    z = normal(draw, 11, 3).requires_grad_()
    dq = normal(draw, 11, 3)
    index = nearest(z, codebook)
    q = codebook[index]
    weight_codebook, weight_commitment, scale = f32(0.37), f32(0.0925), 0.75
    through = z + (q - z).detach()
    loss = (dq * through).sum()
    loss = loss + weight_codebook * F.mse_loss(q, z.detach(), reduction="sum")
    loss = loss + weight_commitment * F.mse_loss(z, q.detach(), reduction="sum")
    dz, dcodebook = torch.autograd.grad(loss, [z, codebook])
    y = scale * ((z - q) ** 2).sum(1)
    store("vq/straight_through", z=z, codebook=codebook, index=index, q=q, dq=dq, y=y, dz=dz, dcodebook=dcodebook)
    weights = {"weight_codebook": weight_codebook, "weight_commitment": weight_commitment}
    store("vq/straight_through", scale=scale, **weights)


def embedding():
    """q = e[index] where the codebook is learnt through it, and some codes are not used."""
    draw = rng("vq/embedding")
    codebook = normal(draw, 5, 3).requires_grad_()
    index = torch.tensor([4, 0, 0, 2, 4, 4, 0])
    dq = normal(draw, 7, 3)
    q = F.embedding(index, codebook)
    (dcodebook,) = torch.autograd.grad(q, codebook, dq)
    store("vq/embedding", codebook=codebook, index=index, q=q, dq=dq, dcodebook=dcodebook)


def averages():
    """Three updates of a codebook by averages, each from the codes nearest then: states and codes after each.

    Appendix A.1 of the paper, the sizes smoothed as DeepMind's Sonnet has it: (size + ε) / (n + k ε) · n.
    """
    draw = rng("codebook/ema")
    gamma, epsilon, k = f32(0.9), f32(1e-3), 6
    batches = normal(draw, 3, 10, 4)
    codebook = normal(draw, k, 4)
    size, total = torch.ones(k, dtype=torch.float64), codebook.clone()
    states = {"initial": codebook, "z": batches, "gamma": gamma, "epsilon": epsilon}
    after = {key: [] for key in ("index", "size", "total", "codebook")}
    for z in batches:
        index = nearest(z, codebook)
        one_hot = F.one_hot(index, k).double()
        size = size * gamma + one_hot.sum(0) * (1 - gamma)
        total = total * gamma + one_hot.T @ z * (1 - gamma)
        n = size.sum()
        codebook = total / ((size + epsilon) / (n + k * epsilon) * n)[:, None]
        for key, value in {"index": index, "size": size, "total": total, "codebook": codebook}.items():
            after[key].append(value)
    store("codebook/ema", **states, **{key: torch.stack(values) for key, values in after.items()})


def perplexity():
    """Perplexity and number of used codes of three histograms: with gaps, one code, uniform."""
    counts = {"gaps": [3, 0, 17, 1, 0, 0, 250, 4], "one": [0, 0, 60000, 0], "even": [5, 5, 5, 5, 5, 5, 5]}
    for case, histogram in counts.items():
        histogram = torch.tensor(histogram, dtype=torch.float64)
        y = torch.distributions.Categorical(probs=histogram / histogram.sum()).entropy().exp()
        store(f"codebook/perplexity_{case}", histogram=histogram, y=y, used=(histogram > 0).sum())


def main():
    torch.set_num_threads(1)
    for group in (gan_losses, cross_entropies, quantisation, embedding, averages, perplexity):
        group()
    Path(__file__).with_name("discrete.safetensors").write_bytes(save(TENSORS))


if __name__ == "__main__":
    main()
