"""Write translation_ops.safetensors: the operators of image translation and restoration, corruptions of images and the
pool of earlier images.

    pip install -r requirements.txt
    python translation_ops.py

The rules are make.py's: float64 on the CPU, inputs exact in float32, every case drawn from a generator seeded by its
name. Images are NHWC in the file. JPEG's loss is written out from ITU-T T.81 (appendices A.3.3 and K.1) and JFIF 1.02,
since PyTorch has none in float64, and held to Pillow at subsampling 0, with the planes rounded to bytes as there.
"""

import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from images import nchw, nhwc
from make import OPS, normal, rng, store, uniform
from PIL import Image
from safetensors.torch import save


class ImagePool:
    """The first `size` images are kept and returned; then each is, by a draw, exchanged for one of them or returned."""

    def __init__(self, size):
        self.size, self.images = size, []

    def query(self, images, draws):
        returned = []
        for image, (swap, place) in zip(images, draws.tolist()):
            if len(self.images) < self.size:
                self.images.append(image)
                returned.append(image)
            elif swap > 0.5:
                place = int(place * self.size)
                returned.append(self.images[place])
                self.images[place] = image
            else:
                returned.append(image)
        return torch.stack(returned)


def replay_pool():
    """Two batches through one pool, which the first fills."""
    for case, size in (("one", 1), ("several", 5)):
        name = f"replay_pool/{case}"
        draw, pool = rng(name), ImagePool(size)
        for batch in ("first", "second"):
            images, draws = normal(draw, 9, 4), uniform(draw, 0, 1, 9, 2)
            y = pool.query(images, draws)
            store(name, **{f"{batch}_images": images, f"{batch}_draws": draws, f"{batch}_y": y})
        store(name, pool=torch.stack(pool.images))


def images(name, *shape):
    """Smooth images with numbers from −1 to 1, so that JPEG's coefficients fall off as those of photographs."""
    n, h, w, c = shape
    coarse = uniform(rng(name), -1, 1, n, c, max(h // 3, 2), max(w // 3, 2))
    smooth = F.interpolate(coarse, (h, w), mode="bilinear", align_corners=True) + normal(rng(name), n, c, h, w) * 0.05
    return nhwc(smooth.clamp(-1, 1)).float().double()


def corrupted(name, **tensors):
    """Stores a case and its range."""
    store(name, low=-1.0, high=1.0, **tensors)


def noise():
    x, draws = images("corrupt/noise:0.25", 3, 5, 4, 3), normal(rng("draws"), 3, 60)
    y = (x + 2 * 0.25 * draws.reshape(x.shape)).clamp(-1, 1)
    corrupted("corrupt/noise:0.25", x=x, draws=draws, y=y)


def square(draws, h, w, side):
    """Masks [n, h, w, 1] of a square by numbers in (0, 1)."""
    masks = torch.zeros(len(draws), h, w, 1, dtype=torch.float64)
    for mask, draw in zip(masks, draws.tolist()):
        top, left = (int(u * 65536) * (size - side + 1) >> 16 for u, size in zip(draw, (h, w)))
        mask[top : top + side, left : left + side] = 1
    return masks


def mask():
    name, (n, h, w, c) = "corrupt/mask:3", (6, 5, 7, 3)
    x, draws = images(name, n, h, w, c), uniform(rng(name), 0, 1, n, 2)
    mask = square(draws, h, w, 3)
    y = torch.cat([x.masked_fill(mask.bool(), 0.0), 2 * mask - 1], 3)
    corrupted(name, x=x, draws=draws, mask=mask, y=y)


def gray():
    x = images("corrupt/gray", 2, 4, 5, 3)
    luminance = x @ torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    corrupted("corrupt/gray", x=x, y=luminance[..., None].expand_as(x))


def down():
    for k, shape in ((2, (2, 6, 4, 3)), (3, (2, 7, 8, 1)), (4, (1, 3, 5, 2))):
        name = f"corrupt/down:{k}"
        x = images(name, *shape)
        means = F.avg_pool2d(nchw(x), k, ceil_mode=True, count_include_pad=False)
        y = F.interpolate(means, scale_factor=float(k))[:, :, : shape[1], : shape[2]]
        corrupted(name, x=x, y=nhwc(y))


def blur():
    for sigma, shape in ((0.5, (2, 5, 4, 3)), (1.5, (2, 9, 12, 1)), (2.0, (1, 3, 5, 2))):
        name = f"corrupt/blur:{sigma:g}"
        x, radius = images(name, *shape), int(np.ceil(3 * sigma))
        weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float64) / sigma) ** 2)
        window = torch.outer(weights, weights) / weights.sum() ** 2
        padded = F.pad(nchw(x), [radius] * 4, mode="replicate")
        c = shape[3]
        y = F.conv2d(padded, window.expand(c, 1, *window.shape), groups=c)
        corrupted(name, x=x, y=nhwc(y))


LUMINANCE = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61],
    [12, 12, 14, 19, 26, 58, 60, 55],
    [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62],
    [18, 22, 37, 56, 68, 109, 103, 77],
    [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101],
    [72, 92, 95, 98, 112, 100, 103, 99],
])
COLOUR = np.full((8, 8), 99)
COLOUR[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def divisors(table, quality):
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((table * percent + 50) // 100, 1, 255)


def cosine():
    """The matrix of the one-dimensional transform, by equation A.3.3."""
    u, x = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    return np.where(u == 0, np.sqrt(0.5), 1.0) / 2 * np.cos((2 * x + 1) * u * np.pi / 16)


def jpeg_plane(plane, table):
    """One plane [h, w], level-shifted, through quantised coefficients."""
    h, w = plane.shape
    padded = np.pad(plane, ((0, -h % 8), (0, -w % 8)), mode="edge")
    blocks = padded.reshape(padded.shape[0] // 8, 8, padded.shape[1] // 8, 8).swapaxes(1, 2)
    ratios = cosine() @ blocks @ cosine().T / table
    ties = np.abs(np.abs(ratios) % 1 - 0.5)
    assert ties.min() > 1e-6, f"a coefficient is {ties.min()} from a tie"
    restored = cosine().T @ (np.round(ratios) * table) @ cosine()
    return restored.swapaxes(1, 2).reshape(padded.shape)[:h, :w]


def jpeg_image(levels, quality, entry=lambda plane: plane):
    """An image [h, w, c] of grey levels from 0 to 255, with `entry` applied to its planes of Y, Cb and Cr."""
    luminance, colour = divisors(LUMINANCE, quality), divisors(COLOUR, quality)
    if levels.shape[2] == 1:
        return jpeg_plane(levels[..., 0] - 128, luminance)[..., None] + 128
    r, g, b = np.moveaxis(levels, 2, 0)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    cb, cr = (b - y) / (2 * (1 - 0.114)), (r - y) / (2 * (1 - 0.299))
    y, cb, cr = entry(y), entry(cb), entry(cr)
    y, cb, cr = jpeg_plane(y - 128, luminance) + 128, jpeg_plane(cb, colour), jpeg_plane(cr, colour)
    r, b = y + 2 * (1 - 0.299) * cr, y + 2 * (1 - 0.114) * cb
    return np.stack([r, (y - 0.299 * r - 0.114 * b) / 0.587, b], 2)


def pillow(levels, quality):
    """The same by Pillow, of bytes."""
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality, subsampling=0)
    found = Image.open(file)
    for index, table in zip(found.quantization, (LUMINANCE, COLOUR)):
        assert np.array_equal(found.quantization[index], divisors(table, quality).ravel())
    return np.asarray(found).reshape(levels.shape)


def jpeg():
    for quality, shape in ((20, (2, 16, 8, 3)), (50, (1, 13, 9, 3)), (75, (2, 11, 20, 1)), (95, (1, 8, 8, 3))):
        name = f"corrupt/jpeg:{quality}"
        x = images(name, *shape)
        restored = [jpeg_image(image, quality) for image in ((x + 1) * 127.5).numpy()]
        y = torch.from_numpy(np.stack(restored)) / 127.5 - 1
        corrupted(name, x=x, y=y.clamp(-1, 1))
        for image in ((x + 1) * 127.5).round().byte().numpy():
            ours = np.clip(jpeg_image(image.astype(np.float64), quality, np.round), 0, 255)
            error = np.abs(ours - pillow(image, quality))
            print(f"{name}: Pillow differs by {error.mean():.2f} grey levels, at most {error.max():.2f}")
            assert error.mean() < 2 and error.max() < 8


def main():
    torch.set_num_threads(1)
    OPS.clear()
    for group in (replay_pool, noise, mask, gray, down, blur, jpeg):
        group()
    tensors = {name: tensor.contiguous() for name, tensor in OPS.items()}
    Path(__file__).with_name("translation_ops.safetensors").write_bytes(save(tensors))


if __name__ == "__main__":
    main()
