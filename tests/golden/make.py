"""Makes ops.safetensors: what PyTorch computes in float64 on the CPU, for frit's f64 reference to be held against.

    pip install -r requirements.txt
    python make.py

Inputs and hyperparameters are rounded to float32 first, so that frit, which takes both as f32, starts from the very
same numbers. Every draw is seeded by the name of its case: a rerun gives the same bytes, and a new case changes no
other. README.md lists what each file holds.
"""

import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import nn
from torch.distributions import Normal, kl_divergence


def f32(value):
    """A number as the float64 of its nearest float32."""
    return float(np.float32(value))


def rng(name):
    """The generator of one case."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def normal(draw, *shape, scale=1.0):
    """Normal numbers, float64 but exact in float32."""
    return torch.from_numpy((draw.standard_normal(shape) * scale).astype(np.float32)).double()


def uniform(draw, low, high, *shape):
    """Numbers between low and high, float64 but exact in float32."""
    return torch.from_numpy(draw.uniform(low, high, shape).astype(np.float32)).double()


class MinibatchStd(torch.nn.Module):
    """The mean standard deviation within each `size` images [n, c, h, w] in a row, as one more channel."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        groups = []
        for group in x.split(self.size):
            m = (group.var(0, unbiased=False) + f32(1e-8)).sqrt().mean()
            groups.append(torch.cat([group, m.expand_as(group[:, :1])], 1))
        return torch.cat(groups)


OPS = {}  # what goes into ops.safetensors


def store(name, **tensors):
    """Adds tensors under `name/`; a scalar becomes a tensor of one element."""
    for key, value in tensors.items():
        value = torch.as_tensor(value, dtype=torch.float64).detach()
        OPS[f"{name}/{key}"] = value.reshape(1) if value.dim() == 0 else value.clone()


def differentiate(name, function, inputs, wrt, dy, y="y"):
    """Stores the inputs, y = function(inputs), dy and, for each input named in `wrt`, its gradient by autograd."""
    leaves = {key: value.clone().requires_grad_(key in wrt) for key, value in inputs.items()}
    result = function(**leaves)
    dy = dy.reshape(result.shape) if isinstance(dy, torch.Tensor) else torch.full_like(result, f32(dy))
    gradients = torch.autograd.grad(result, [leaves[key] for key in wrt], dy)
    store(name, **inputs, **{y: result, f"d{y}": dy}, **{f"d{key}": d for key, d in zip(wrt, gradients)})


def activations():
    """y = act(x), among the x one zero; `alpha` where act has one."""
    alphas = {"leaky_relu": f32(0.2), "elu": f32(0.7)}
    for act in (F.relu, F.leaky_relu, torch.tanh, torch.sigmoid, F.softplus, F.silu, F.elu):
        case = act.__name__
        draw = rng(f"activation/{case}")
        x = uniform(draw, -4, 4, 3, 11)
        x[0, 0] = 0.0
        alpha = [alphas[case]] if case in alphas else []
        differentiate(f"activation/{case}", lambda x: act(x, *alpha), {"x": x}, ["x"], normal(draw, 3, 11))
    for case, alpha in alphas.items():
        store(f"activation/{case}", alpha=alpha)


def linear():
    """y = tanh(x wᵀ + b)"""
    draw = rng("linear/tanh")
    inputs = {"x": normal(draw, 5, 7), "w": normal(draw, 4, 7, scale=0.5), "b": normal(draw, 4, scale=0.5)}
    function = lambda x, w, b: torch.tanh(F.linear(x, w, b))
    differentiate("linear/tanh", function, inputs, ["x", "w", "b"], normal(draw, 5, 4))


def matmul():
    """y [5,4] = a b, with a, b or neither stored transposed (`t`)."""
    draw = rng("matmul")
    a, b = normal(draw, 5, 7), normal(draw, 7, 4)
    store("matmul/nn", a=a, b=b, y=a @ b)
    store("matmul/nt", a=a, b=b.T.contiguous(), y=a @ b)
    store("matmul/tn", a=a.T.contiguous(), b=b, y=a @ b)


def reduce():
    """y = Σx, mean x, max x, Σx² of every row (over dim 1), every column (over dim 0), or the whole of x."""
    squares = lambda x, dim: (x * x).sum(dim)
    reductions = {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "sum_squares": squares}
    for case, function in reductions.items():
        for over, dim, len_y in [("rows", 1, 5), ("columns", 0, 13), ("whole", (0, 1), 1)]:
            name = f"reduce/{case}_{over}"
            draw = rng(name)
            differentiate(name, lambda x: function(x, dim=dim), {"x": normal(draw, 5, 13)}, ["x"], normal(draw, len_y))


def softmax():
    """Softmax and log Σ exp of every row."""
    for case, function, shape in [("softmax", torch.softmax, (4, 9)), ("logsumexp", torch.logsumexp, (4,))]:
        draw = rng(f"softmax/{case}")
        x = normal(draw, 4, 9, scale=3.0)
        differentiate(f"softmax/{case}", lambda x: function(x, dim=1), {"x": x}, ["x"], normal(draw, *shape))


def loss():
    """One loss a row; dy is the same weight in every row. Among the targets are a 0 and a 1."""
    losses = {
        "bce_with_logits": lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none").sum(1),
        "squared": lambda x, t: F.mse_loss(x, t, reduction="none").sum(1),
        "absolute": lambda x, t: F.l1_loss(x, t, reduction="none").sum(1),
    }
    for case, function in losses.items():
        draw = rng(f"loss/{case}")
        x, t = normal(draw, 4, 9, scale=3.0), uniform(draw, 0, 1, 4, 9)
        t[0, 0], t[0, 1] = 0.0, 1.0
        differentiate(f"loss/{case}", function, {"x": x, "t": t}, ["x"], 0.37)


def gaussian(heads):
    """The normal distributions of rows mean | logvar."""
    mean, logvar = heads.chunk(2, dim=1)
    return Normal(mean, torch.exp(0.5 * logvar))


def kl():
    """y = KL(N(mean, std²) ‖ N(0, 1)) of every row; dy is the same weight, 0.5 · 0.25, in every row."""
    heads = normal(rng("kl/normal"), 3, 10)
    function = lambda heads: kl_divergence(gaussian(heads), Normal(0.0, 1.0)).sum(1)
    differentiate("kl/normal", function, {"heads": heads}, ["heads"], 0.5 * 0.25)


def reparameterise():
    """z = mean + std ⊙ eps"""
    draw = rng("reparameterise/normal")
    inputs = {"heads": normal(draw, 3, 10), "eps": normal(draw, 3, 5)}
    function = lambda heads, eps: gaussian(heads).mean + gaussian(heads).stddev * eps
    differentiate("reparameterise/normal", function, inputs, ["heads"], normal(draw, 3, 5), y="z")


def log_weight():
    """y = −recon + log N(z; 0, 1) − log N(mean + std ⊙ eps; mean, std²): two samples of each row of heads, in turn.

    The stored z is mean + std ⊙ eps rounded to float32; the posterior is taken at the unrounded one.
    """
    draw = rng("log_weight/repeat_2")
    heads, eps, recon = normal(draw, 3, 10), normal(draw, 6, 5), uniform(draw, 5, 20, 6)
    posterior = gaussian(heads.repeat_interleave(2, dim=0))
    unrounded = posterior.mean + posterior.stddev * eps
    z = unrounded.float().double()
    y = -recon + Normal(0.0, 1.0).log_prob(z).sum(1) - posterior.log_prob(unrounded).sum(1)
    store("log_weight/repeat_2", recon=recon, z=z, eps=eps, heads=heads, y=y)


BETAS, EPSILON = (f32(0.9), f32(0.999)), f32(1e-8)


def trajectory(name, make, max_norm=None, slot=None, **settings):
    """Five steps on given gradients, the weights after each; `norm` is the gradients' norm before it is clipped, and
    `state` the optimiser's `slot` after the last step."""
    draw = rng(name)
    w0, sizes = normal(draw, 17), torch.tensor([1.0, 0.0625, 2.0, 0.03125, 0.5], dtype=torch.float64)
    grads = normal(draw, 5, 17) * sizes[:, None]  # powers of two: exact, and on both sides of max_norm
    w = w0.clone().requires_grad_()
    optimiser = make([w], **settings)
    after, norms = [], []
    for grad in grads:
        w.grad = grad.clone()
        norms.append(grad.norm())
        if max_norm is not None:
            nn.utils.clip_grad_norm_([w], max_norm)
        optimiser.step()
        after.append(w.detach().clone())
    rates = {key: settings[key] for key in ("lr", "weight_decay")} | ({} if max_norm is None else {"max_norm": max_norm})
    state = {} if slot is None else {"state": optimiser.state[w][slot]}
    store(name, w0=w0, grads=grads, w=torch.stack(after), norm=torch.stack(norms), **rates, **state)


def adam():
    """Adam with weight decay that is coupled or decoupled."""
    cases = [
        ("adam", torch.optim.Adam, 0.0, None),
        ("coupled", torch.optim.Adam, 0.1, None),
        ("adamw", torch.optim.AdamW, 0.1, None),
        ("clipped", torch.optim.Adam, 0.0, 0.5),
    ]
    for case, make, decay, max_norm in cases:
        settings = dict(lr=f32(1e-2), betas=BETAS, eps=EPSILON, weight_decay=f32(decay))
        trajectory(f"adam/{case}", make, max_norm, **settings)


def sgd():
    """Stochastic gradient descent with and without momentum; weight decay is coupled."""
    cases = [
        ("plain", 0.0, False, 0.0, None),
        ("decayed", 0.0, False, 0.1, None),
        ("momentum", 0.9, False, 0.0, None),
        ("momentum_decayed", 0.9, False, 0.1, None),
        ("nesterov", 0.9, True, 0.0, None),
        ("nesterov_decayed", 0.9, True, 0.1, None),
        ("clipped", 0.9, False, 0.0, 0.5),
    ]
    for case, momentum, nesterov, decay, max_norm in cases:
        settings = dict(lr=f32(1e-2), momentum=f32(momentum), nesterov=nesterov, weight_decay=f32(decay))
        trajectory(f"sgd/{case}", torch.optim.SGD, max_norm, "momentum_buffer" if momentum else None, **settings)


class Lion(torch.optim.Optimizer):
    """Chen et al., 2023, algorithm 2; PyTorch has none."""

    def __init__(self, parameters, lr, betas, weight_decay):
        super().__init__(parameters, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
            for w in group["params"]:
                m = self.state[w].setdefault("m", torch.zeros_like(w))
                update = beta1 * m + (1 - beta1) * w.grad
                w -= lr * (torch.sign(update) + decay * w)
                m.mul_(beta2).add_((1 - beta2) * w.grad)


def lion():
    """Lion with decoupled weight decay."""
    for case, decay, max_norm in [("plain", 0.0, None), ("decayed", 0.1, None), ("clipped", 0.0, 0.5)]:
        settings = dict(lr=f32(1e-2), betas=(f32(0.9), f32(0.99)), weight_decay=f32(decay))
        trajectory(f"lion/{case}", Lion, max_norm, "m", **settings)


def main():
    torch.set_num_threads(1)
    groups = (activations, linear, matmul, reduce, softmax, loss, kl, reparameterise, log_weight, adam, sgd, lion)
    for group in groups:
        group()
    Path(__file__).with_name("ops.safetensors").write_bytes(save(OPS))


if __name__ == "__main__":
    main()
