"""Makes inception.safetensors: features of torch-fidelity's Inception v3 with weights that a formula gives.

    pip install -r requirements.txt
    python inception.py

The weights would be 24 million numbers; crates/cli/tests/inception.rs computes the same ones from their names. The file
holds `images` [n,h,w,3], bytes, and `features` [n,2048], F64, of the network in float64.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from make import rng
from safetensors.torch import save
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

SIZE = (2, 24, 20, 3)


def fractions(name, count):
    """Numbers in [0, 1) that look random: FNV-1a of the name and the index, mixed, to 24 bits."""
    seed = np.uint64(0x811C9DC5)
    for byte in name.encode():
        seed = ((seed ^ np.uint64(byte)) * np.uint64(0x01000193)) & np.uint64(0xFFFFFFFF)
    x = (seed + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B9)).astype(np.uint32)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint32(shift)
        x *= np.uint32(factor)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)).astype(np.float64) / 2**24


def weights(name, tensor):
    """The tensor of that name: filters by He's initialisation, statistics around those of normalised data."""
    if not tensor.is_floating_point():
        return tensor
    u = fractions(name, tensor.numel())
    if name.endswith(("conv.weight", "fc.weight")):
        values = (2 * u - 1) * np.sqrt(6 / tensor[0].numel())
    elif name.endswith(("bn.weight", "running_var")):
        values = 0.5 + u
    else:
        values = 0.2 * (u - 0.5)
    return torch.from_numpy(values.astype(np.float32)).reshape(tensor.shape)


class Network(FeatureExtractorInceptionV3):
    """The network, which loads the formula's weights in the place of a file's."""

    def load_state_dict(self, _):
        return super().load_state_dict({name: weights(name, tensor) for name, tensor in self.state_dict().items()})


def main():
    torch.set_num_threads(1)
    with tempfile.NamedTemporaryFile() as empty:
        torch.save({}, empty.name)
        network = Network("inception", ["2048"], empty.name, "float64")
    images = torch.from_numpy(rng("inception").integers(0, 256, SIZE, dtype=np.uint8))
    (features,) = network(images.permute(0, 3, 1, 2))
    file = save({"images": images, "features": features.double()})
    Path(__file__).with_name("inception.safetensors").write_bytes(file)
    print(f"features from {features.min():.4f} to {features.max():.4f}, {(features > 0).double().mean():.2f} positive")


if __name__ == "__main__":
    main()
