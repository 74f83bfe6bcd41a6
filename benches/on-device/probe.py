"""Prints what this Python has: its version, PyTorch's with the device it sees, and JAX's."""

import importlib.metadata
import json
import platform

found = {"python": platform.python_version(), "cuda": False}
for name in ("torch", "jax", "jaxlib", "numpy", "triton"):
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        found[name] = None
if found["torch"]:
    import torch

    found["cuda"] = torch.cuda.is_available()
    found["torch_device"] = torch.cuda.get_device_name() if found["cuda"] else "CPU"
    found["torch_cuda"] = torch.version.cuda
print(json.dumps(found))
