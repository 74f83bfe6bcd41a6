"""Write images.safetensors: PyTorch's pooling, upsampling, resizing, padding, concatenation and augmentation of images,
their flips and crops, and their deviation within groups.

    pip install -r requirements.txt
    python images.py

The rules are make.py's: float64 on the CPU, inputs exact in float32, every case drawn from a generator seeded by its
name. Images are NHWC in the file, and turned to PyTorch's NCHW here. Tensors are `<op>/<case>/<tensor>`, all F64,
indices too; a case holds its inputs, y, an upstream dy, the gradients, and what was asked for, rows before columns.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from make import OPS, MinibatchStd, differentiate, normal, rng, store, uniform
from safetensors.torch import save
from torch import nn
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x as like_tensorflow1


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


def resize():
    """torch-fidelity's copy of TensorFlow 1's bilinear resizing, from which PyTorch takes gradients. Ratios are exact
    in float32, as the copy computes positions there."""
    for (h, w), size in {(3, 4): (6, 8), (8, 6): (4, 3), (4, 5): (8, 5), (5, 8): (5, 32), (1, 1): (2, 3)}.items():
        function = lambda x: like_tensorflow1(x, size=size, align_corners=False)
        name = f"resize/{h}x{w}_to_{size[0]}x{size[1]}"
        image_op(name, function, (2, h, w, 3), size=size)
        OPS[f"{name}/dx"] = OPS[f"{name}/dx"].contiguous()


def pad():
    """`margins` are the rows above and below, the columns before and after."""
    top, bottom, left, right = margins = (2, 1, 3, 2)
    for case, layer in {"zero": nn.ZeroPad2d, "reflection": nn.ReflectionPad2d}.items():
        image_op(f"pad/{case}", layer((left, right, top, bottom)), (1, 3, 4, 3), margins=margins)


def concat():
    image_op("channels/concat", lambda a, b: torch.cat([a, b], 1), (2, 2, 3, 3), (2, 2, 3, 5))


def moved(image, rows, columns):
    """An image [c, h, w] moved down and right, zeros where none is."""
    _, h, w = image.shape
    padded = F.pad(image, (w, w, h, h))
    return padded[:, h - rows : 2 * h - rows, w - columns : 2 * w - columns]


def augmented(x, draws, changes):
    """DiffAugment of images [n, c, h, w] by numbers in (0, 1): its ratios, an eighth and a half."""
    _, _, h, w = x.shape
    integer = lambda draw, count: int(draw * 65536) * count >> 16
    half_up = lambda size, share: int(size * share + 0.5)
    images = []
    for image, (b, s, c, shift_h, shift_w, cut_h, cut_w, _) in zip(x, draws.tolist()):
        if "colour" in changes:
            image = image + (b - 0.5)
            mean = image.mean(0, keepdim=True)
            image = (image - mean) * (2 * s) + mean
            mean = image.mean()
            image = (image - mean) * (c + 0.5) + mean
        if "translation" in changes:
            (up, left) = (half_up(size, 0.125) for size in (h, w))
            image = moved(image, integer(shift_h, 2 * up + 1) - up, integer(shift_w, 2 * left + 1) - left)
        if "cutout" in changes:
            rows, columns = half_up(h, 0.5), half_up(w, 0.5)
            top = integer(cut_h, h + 1 - rows % 2) - rows // 2
            left = integer(cut_w, w + 1 - columns % 2) - columns // 2
            keep = torch.ones(h, w, dtype=image.dtype)
            keep[max(top, 0) : max(top + rows, 0), max(left, 0) : max(left + columns, 0)] = 0
            image = image * keep
        images.append(image)
    return torch.stack(images)


def augment():
    for case in ("colour", "translation", "cutout", "colour_translation_cutout"):
        # Sizes of powers of two, so that 1 / size is exact in float32.
        for shape in ((4, 8, 4, 4), (3, 16, 8, 1)):
            name = f"augment/{case}_{shape[3]}"
            draws = uniform(rng(f"{name}/draws"), 0.0, 1.0, shape[0], 8)
            image_op(name, lambda x: augmented(x, draws, case), shape)
            store(name, draws=draws)
            OPS[f"{name}/dx"] = OPS[f"{name}/dx"].contiguous()


def gather_moved():
    """Random horizontal flips, and random crops of images padded by their edge."""
    for case, mirror, crop in (("mirror", True, 0), ("crop", False, 2), ("mirror_crop", True, 3)):
        name = f"gather_moved/{case}"
        n, h, w, c = 6, 5, 4, 3
        data = torch.from_numpy(rng(f"{name}/data").integers(0, 256, (n, h, w, c))).double()
        draws = uniform(rng(f"{name}/draws"), 0.0, 1.0, n, 3)
        images = []
        for image, (flip, down, right) in zip(nchw(data), draws.tolist()):
            if mirror and flip < 0.5:
                image = image.flip(-1)
            padded = F.pad(image[None], [crop] * 4, mode="replicate")[0]
            top, left = (2 * crop - (int(draw * 65536) * (2 * crop + 1) >> 16) for draw in (down, right))
            images.append(padded[:, top : top + h, left : left + w])
        y = nhwc(torch.stack(images)).reshape(n, -1)
        store(name, data=data, draws=draws, y=y, mirror=torch.tensor([float(mirror)]), crop=torch.tensor([float(crop)]))


def minibatch_std():
    """With its derivative along u, and the gradient of that."""
    for case, size, shape in (("whole", 4, (4, 2, 3, 3)), ("uneven", 3, (8, 3, 2, 2))):
        name = f"minibatch_std/{case}"
        layer = MinibatchStd(size)
        image_op(name, layer, shape)
        x = nchw(OPS[f"{name}/x"]).clone().requires_grad_()
        u, dy = nchw(normal(rng(f"{name}/u"), *shape)), nchw(OPS[f"{name}/dy"])
        _, along = torch.autograd.functional.jvp(layer, x, u, create_graph=True)
        (dx_along,) = torch.autograd.grad(along, x, dy)
        store(name, u=nhwc(u), along=nhwc(along), dx_along=nhwc(dx_along), size=float(size))


def main():
    torch.set_num_threads(1)
    groups = (max_pool, average_pool, upsample, resize, pad, concat, augment, gather_moved, minibatch_std)
    for group in groups:
        group()
    Path(__file__).with_name("images.safetensors").write_bytes(save(OPS))


if __name__ == "__main__":
    main()
