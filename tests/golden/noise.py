"""frit's random numbers: the normals that a model draws in a step of training."""

import numpy as np
import torch

SEED = 42
TRAIN, LATENT, MIX = 3, 7, 9  # frit's Stream::Train, Stream::Latent and Stream::Mix


def philox(counter, key):
    """Philox4x32-10 of counters [4, n] under one key: words [4, n] (Salmon et al., SC 2011)."""
    x0, x1, x2, x3 = (np.asarray(word, dtype=np.uint64) for word in counter)
    k0, k1 = key
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * x0, np.uint64(0xCD9E8D57) * x2
        x0, x1, x2, x3 = (p1 >> half) ^ x1 ^ np.uint64(k0), p1 & low, (p0 >> half) ^ x3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([x0, x1, x2, x3])


def check_philox():
    """The known answers of Random123, `kat_vectors`."""
    known = [
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ]
    for counter, key, answer in known:
        counter, key, answer = ([int(word, 16) for word in words.split()] for words in (counter, key, answer))
        assert philox([[word] for word in counter], key)[:, 0].tolist() == answer


def units(step, stream, count):
    """Uniform numbers in (0, 1) of a stream in a step, counted from one: [4, blocks], four from every block."""
    block = np.arange((count + 3) // 4)
    same = np.ones_like(block)
    words = philox([block, stream * same, step * same, 0 * same], (SEED & 0xFFFFFFFF, SEED >> 32))
    return ((words >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23


def uniform(step, stream, count):
    """The uniform numbers in (0, 1) of a stream in a step."""
    return torch.from_numpy(units(step, stream, count).T.reshape(-1)[:count].copy())


def noise(step, stream, *shape):
    """The standard normals of a stream in a step."""
    count = int(np.prod(shape))
    u = units(step, stream, count)
    radius, angle = np.sqrt(-2.0 * np.log(u[0::2])), 2.0 * np.pi * u[1::2]
    z = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)  # [pair, cos | sin, block]
    return torch.from_numpy(z.reshape(4, -1).T.reshape(-1)[:count].reshape(shape).copy())


if __name__ == "__main__":
    check_philox()
