"""Write the golden vectors of the operators of normalising flows: affine couplings, splines.

    pip install -r requirements.txt
    python realnvp_ops.py

The rules are make.py's: float64 on the CPU, inputs drawn in float32 and seeded by the name of their case. The spline is
written from Durkan et al., 2019, eq. 4 to 8, its knots by searchsorted. README.md lists what the file holds.
"""

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from make import normal, rng, uniform
from safetensors.torch import save

# The constants of ops/spline.rs, as f32 has them.
single = lambda x: torch.tensor(x, dtype=torch.float32).double().item()
MIN_SIZE, MIN_SLOPE = single(1e-4), single(1e-3)
ONE = single(math.log(math.expm1(1 - MIN_SLOPE)))


def affine(x, theta, bound):
    """x eˢ + t and s, of theta = a | t with s = bound tanh(a / bound), or a without a bound."""
    a, t = theta.chunk(2, -1)
    s = bound * torch.tanh(a / bound) if bound else a.expand_as(x)
    return x * s.exp() + t, s


def spline(x, theta, bins, bound):
    """The spline of x [...] by theta [..., 3 bins − 1] and the logarithm of its slope."""
    widths, heights, slopes = theta.split([bins, bins, bins - 1], -1)

    def knots(raw):
        sizes = MIN_SIZE + (1 - MIN_SIZE * bins) * raw.softmax(-1)
        return bound * (2 * F.pad(sizes.cumsum(-1), (1, 0)) - 1)

    knots_x, knots_y = knots(widths), knots(heights)
    slopes = F.pad(MIN_SLOPE + F.softplus(slopes + ONE), (1, 1), value=1.0)
    inside = x.abs() < bound
    within = torch.where(inside, x, torch.zeros_like(x))
    k = torch.searchsorted(knots_x.detach()[..., 1:-1].contiguous(), within.detach()[..., None], right=True)
    at = lambda values, index: values.gather(-1, index)[..., 0]
    x0, x1, y0, y1 = at(knots_x, k), at(knots_x, k + 1), at(knots_y, k), at(knots_y, k + 1)
    d0, d1, w, h = at(slopes, k), at(slopes, k + 1), x1 - x0, y1 - y0
    s, xi = h / w, (within - x0) / w
    q = xi * (1 - xi)
    below = s + (d0 + d1 - 2 * s) * q
    y = y0 + h * (s * xi**2 + d0 * q) / below
    slope = s**2 * (d1 * xi**2 + 2 * s * q + d0 * (1 - xi) ** 2) / below**2
    return torch.where(inside, y, x), torch.where(inside, slope.log(), torch.zeros_like(x))


def with_gradients(f, x, theta, draw):
    """y and log_slope of x and theta by f, and the gradients from dy and dslope."""
    dy, dslope = normal(draw, *x.shape), normal(draw, *x.shape)
    x.requires_grad_(), theta.requires_grad_()
    y, log_slope = f(x, theta)
    dx, dtheta = torch.autograd.grad([y, log_slope], [x, theta], [dy, dslope])
    found = {"x": x, "theta": theta, "y": y, "log_slope": log_slope, "dy": dy, "dslope": dslope}
    return found | {"dx": dx, "dtheta": dtheta}


def affine_case(case, rows, bound):
    draw = rng(f"affine_coupling/{case}")
    x, theta = normal(draw, 7, 3), normal(draw, rows, 6)
    tensors = with_gradients(lambda x, theta: affine(x, theta, bound), x, theta, draw)
    return tensors | {"bound": torch.tensor([bound], dtype=torch.float64)}


def spline_case(case, size, bins, bound):
    draw = rng(f"spline/{case}")
    x, theta = uniform(draw, -1.2 * bound, 1.2 * bound, *size), normal(draw, *size, 3 * bins - 1)
    tensors = with_gradients(lambda x, theta: spline(x, theta, bins, bound), x, theta, draw)
    return tensors | {name: torch.tensor([float(value)]).double() for name, value in [("bins", bins), ("bound", bound)]}


def main():
    torch.set_num_threads(1)
    cases = {
        "affine_coupling/bounded": affine_case("bounded", 7, 1.5),
        "affine_coupling/shared": affine_case("shared", 1, 0.0),
        "spline/two": spline_case("two", [9, 1], 2, 1.0),
        "spline/many": spline_case("many", [11, 3], 9, 2.5),
    }
    tensors = {f"{case}/{name}": of.detach().contiguous() for case, all in cases.items() for name, of in all.items()}
    Path(__file__).with_name("realnvp_ops.safetensors").write_bytes(save(tensors))


if __name__ == "__main__":
    main()
