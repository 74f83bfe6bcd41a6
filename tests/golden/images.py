"""Write images.safetensors: PyTorch's pooling, upsampling, padding and concatenation of images.

    pip install -r requirements.txt
    python images.py

The rules are make.py's: float64 on the CPU, inputs exact in float32, every case drawn from a generator seeded by its
name. Images are NHWC in the file, and turned to PyTorch's NCHW here. Tensors are `<op>/<case>/<tensor>`, all F64,
indices too; a case holds its inputs, y, an upstream dy, the gradients, and what was asked for, rows before columns.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from make import OPS, differentiate, normal, rng, store
from safetensors.torch import save
from torch import nn


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1).contiguous()


def image_op(name, function, *shapes, **numbers):
    """Stores y = function(images of these shapes), their gradients, and the numbers."""
    draw = rng(name)
    names = ["x"] if len(shapes) == 1 else ["a", "b"]
    inputs = {key: normal(draw, *shape) for key, shape in zip(names, shapes)}
    on_nhwc = lambda **images: nhwc(function(*map(nchw, images.values())))
    differentiate(name, on_nhwc, inputs, names, normal(draw, *on_nhwc(**inputs).shape))
    store(name, **{key: torch.tensor(value, dtype=torch.float64) for key, value in numbers.items()})


# Shape of x, kernel, stride, padding.
WINDOWS = {
    "k2s2": ((2, 4, 5, 3), (2, 2), (2, 2), (0, 0)),
    "k3s2p1": ((2, 5, 6, 3), (3, 3), (2, 2), (1, 1)),
    "uneven": ((1, 7, 6, 2), (4, 3), (3, 1), (2, 0)),
}


def max_pool():
    """`index` is row · w + column in the image; tied/ holds numbers that occur often."""
    for case, (shape, kernel, stride, pad) in WINDOWS.items():
        name, numbers = f"max_pool/{case}", {"kernel": kernel, "stride": stride, "pad": pad}
        function = lambda x: F.max_pool2d(x, kernel, stride, pad)
        image_op(name, function, shape, **numbers)
        store(name, index=nhwc(F.max_pool2d(nchw(OPS[f"{name}/x"]), kernel, stride, pad, return_indices=True)[1]))
    name, window = "max_pool/tied", ((3, 3), (2, 2), (1, 1))
    draw = rng(name)
    x = torch.from_numpy(draw.integers(-2, 0, (1, 6, 5, 3))).double()
    on_nhwc = lambda x: nhwc(F.max_pool2d(nchw(x), *window))
    differentiate(name, on_nhwc, {"x": x}, ["x"], normal(draw, *on_nhwc(x).shape))
    index = nhwc(F.max_pool2d(nchw(x), *window, return_indices=True)[1])
    store(name, index=index, **{key: torch.tensor(value) for key, value in zip(["kernel", "stride", "pad"], window)})


def average_pool():
    """`count_pad` is 1 where the padding counts."""
    for case, (shape, kernel, stride, pad) in WINDOWS.items():
        for count_pad in (True, False) if any(pad) else (True,):
            function = lambda x: F.avg_pool2d(x, kernel, stride, pad, count_include_pad=count_pad)
            name = f"average_pool/{case}_{'counted' if count_pad else 'inside'}"
            image_op(name, function, shape, kernel=kernel, stride=stride, pad=pad, count_pad=count_pad)


def upsample():
    for mode, options in {"nearest": {}, "bilinear": {"align_corners": False}}.items():
        for factor in [(2, 2), (3, 3), (2, 3)]:
            scale = tuple(map(float, factor))
            function = lambda x: F.interpolate(x, scale_factor=scale, mode=mode, **options)
            image_op(f"upsample/{mode}_{factor[0]}x{factor[1]}", function, (1, 3, 3, 2), factor=factor)


def pad():
    """`margins` are the rows above and below, the columns before and after."""
    top, bottom, left, right = margins = (2, 1, 3, 2)
    for case, layer in {"zero": nn.ZeroPad2d, "reflection": nn.ReflectionPad2d}.items():
        image_op(f"pad/{case}", layer((left, right, top, bottom)), (1, 3, 4, 3), margins=margins)


def concat():
    image_op("channels/concat", lambda a, b: torch.cat([a, b], 1), (2, 2, 3, 3), (2, 2, 3, 5))


def main():
    torch.set_num_threads(1)
    for group in (max_pool, average_pool, upsample, pad, concat):
        group()
    Path(__file__).with_name("images.safetensors").write_bytes(save(OPS))


if __name__ == "__main__":
    main()
