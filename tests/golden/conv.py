"""Makes conv.safetensors: convolutions and transposed convolutions of images, as PyTorch has them.

    pip install -r requirements.txt
    python conv.py

The rules are make.py's: float64 on the CPU, inputs exact in float32, every case drawn from a generator seeded by its
name. Images are NHWC in the file, weights [co, kh, kw, ci] and, transposed, [ci, kh, kw, co]; both are turned to
PyTorch's NCHW, [co, ci, kh, kw] and [ci, co, kh, kw] here. Tensors are `<op>/<case>/<tensor>`, all F64; a case holds
`x`, `w`, `b`, `y`, an upstream `dy`, the gradients `dx`, `dw` and `db`, and its window, rows before columns.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from make import OPS, differentiate, normal, rng, store
from safetensors.torch import save


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1).contiguous()


def convolution(name, function, x, w, channels, **window):
    """Stores y = function(x, w, b) with weights of shape w, `channels` of which come out; and the gradients."""
    draw = rng(name)
    inputs = {"x": normal(draw, *x), "w": normal(draw, *w, scale=0.5), "b": normal(draw, channels, scale=0.5)}
    on_nhwc = lambda x, w, b: nhwc(function(nchw(x), nchw(w), b, **window))
    differentiate(name, on_nhwc, inputs, ["x", "w", "b"], normal(draw, *on_nhwc(**inputs).shape))
    store(name, **{key: torch.tensor(value, dtype=torch.float64) for key, value in window.items()})


# Shape of x, output channels, kernel, stride, padding, dilation.
CASES = {
    "k1": ((2, 3, 4, 5), 3, (1, 1), (1, 1), (0, 0), (1, 1)),
    "k3p1": ((2, 4, 3, 3), 5, (3, 3), (1, 1), (1, 1), (1, 1)),
    "k3s2p1": ((1, 6, 5, 5), 3, (3, 3), (2, 2), (1, 1), (1, 1)),
    "k4s2p1": ((1, 6, 4, 1), 5, (4, 4), (2, 2), (1, 1), (1, 1)),
    "k3s3": ((1, 7, 6, 5), 1, (3, 3), (3, 3), (0, 0), (1, 1)),
    "dilated": ((1, 7, 5, 1), 3, (3, 3), (1, 1), (2, 2), (2, 2)),
    "uneven": ((1, 9, 7, 3), 3, (2, 3), (3, 2), (1, 0), (2, 3)),
    "whole": ((2, 4, 3, 1), 5, (4, 3), (1, 1), (0, 0), (1, 1)),
}


def conv2d():
    for case, (x, channels, kernel, stride, padding, dilation) in CASES.items():
        window = {"stride": stride, "padding": padding, "dilation": dilation}
        convolution(f"conv2d/{case}", F.conv2d, x, (channels, *kernel, x[3]), channels, **window)


# The same, and the output padding.
TRANSPOSED = {
    "k4s2p1": ((1, 3, 2, 5), 3, (4, 4), (2, 2), (1, 1), (1, 1), (0, 0)),
    "k3s2p1": ((1, 3, 2, 3), 5, (3, 3), (2, 2), (1, 1), (1, 1), (1, 1)),
    "k4": ((2, 1, 1, 3), 5, (4, 4), (1, 1), (0, 0), (1, 1), (0, 0)),
    "uneven": ((1, 3, 4, 3), 1, (2, 3), (3, 2), (1, 0), (2, 3), (2, 1)),
}


def conv_transpose2d():
    for case, (x, channels, kernel, stride, padding, dilation, output_padding) in TRANSPOSED.items():
        window = {"stride": stride, "padding": padding, "dilation": dilation, "output_padding": output_padding}
        shape = (x[3], *kernel, channels)
        convolution(f"conv_transpose2d/{case}", F.conv_transpose2d, x, shape, channels, **window)


def main():
    torch.set_num_threads(1)
    conv2d()
    conv_transpose2d()
    Path(__file__).with_name("conv.safetensors").write_bytes(save(OPS))


if __name__ == "__main__":
    main()
