#!/usr/bin/env python3
"""Write the built-in digits: a class-balanced subset of MNIST.

usage: scripts/digits.py DIR [OUT]

DIR holds the four MNIST files, gzipped or not; OUT defaults to `data`. Keeps the first 1,000 training images and the
first 200 test images of each class, in file order. Equal input gives equal output.
"""

import gzip
import io
import pathlib
import struct
import sys

IMAGES, LABELS = 3, 1  # the ranks of the two kinds of file


def read(folder, stem, rank):
    """Read one IDX file: its dimensions and bytes."""
    plain, packed = folder / stem, folder / f"{stem}.gz"
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    if data[:4] != bytes([0, 0, 8, rank]):
        sys.exit(f"{stem} is not an IDX file of bytes with {rank} dimensions; download MNIST again")
    dims = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return dims, data[4 + 4 * rank :]


def write(folder, stem, dims, content):
    """Write one gzipped IDX file, without a name or a time, so that equal content gives equal bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=packed, mtime=0) as file:
        file.write(bytes([0, 0, 8, len(dims)]) + struct.pack(f">{len(dims)}I", *dims) + content)
    (folder / f"{stem}.gz").write_bytes(packed.getvalue())


def subset(source, target, part, each):
    """Write the first `each` images of every class of one part, in file order."""
    images_stem, labels_stem = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    (_, height, width), images = read(source, images_stem, IMAGES)
    _, labels = read(source, labels_stem, LABELS)
    seen, kept = [0] * 10, []
    for number, label in enumerate(labels):
        seen[label] += 1
        if seen[label] <= each:
            kept.append(number)
    assert len(kept) == 10 * each, f"{part} has too few images of some class"
    size = height * width
    content = b"".join(images[n * size : (n + 1) * size] for n in kept)
    write(target, images_stem, (len(kept), height, width), content)
    write(target, labels_stem, (len(kept),), bytes(labels[n] for n in kept))


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.strip())
    source = pathlib.Path(sys.argv[1])
    target = pathlib.Path(sys.argv[2] if len(sys.argv) == 3 else "data")
    target.mkdir(parents=True, exist_ok=True)
    subset(source, target, "train", 1000)
    subset(source, target, "t10k", 200)


if __name__ == "__main__":
    main()
