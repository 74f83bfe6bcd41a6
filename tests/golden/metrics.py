"""Write metrics.safetensors: torch-fidelity, prdc, scikit-image and pytorch-msssim on sets of features and on
pairs of images.

    pip install -r requirements.txt
    python metrics.py

The rules are make.py's: inputs are exact in float32, every draw is seeded by the name of its case, and a rerun gives
the same bytes. All of it is computed in float64. Images are stored NHWC, as frit has them.
"""

from pathlib import Path

import numpy as np
import torch
from make import normal, rng
from prdc import compute_prdc
from pytorch_msssim import ssim as small_ssim
from safetensors.torch import save
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

TENSORS = {}


def store(name, **tensors):
    """Adds tensors under `name/`; a scalar becomes a tensor of one element."""
    for key, value in tensors.items():
        value = torch.as_tensor(value, dtype=torch.float64)
        TENSORS[f"{name}/{key}"] = value.reshape(1) if value.dim() == 0 else value.contiguous().clone()


def features(case, n, m, d, k):
    """Two sets of correlated features, the second shifted and a little wider. KID takes the first min(n, m) rows of
    each set."""
    draw = rng(f"features/{case}")
    mix = draw.standard_normal((d, d)) / np.sqrt(d)
    real, generated = (
        torch.from_numpy((normal(draw, rows, d).numpy() @ mix * scale + shift).astype(np.float32)).double()
        for rows, scale, shift in ((n, 1.0, 0.0), (m, 1.2, 0.1))
    )
    fid = fid_statistics_to_metric(*map(fid_features_to_statistics, (real, generated)), verbose=False)
    rows = min(n, m)
    kid = kid_features_to_metric(
        real[:rows], generated[:rows], kid_subsets=1, kid_subset_size=rows, rng_seed=0, verbose=False
    )
    balls = compute_prdc(real.numpy(), generated.numpy(), nearest_k=k)
    assert all(0 < balls[share] < 1 for share in ("precision", "recall", "coverage")), f"{balls} tells little"
    store(f"features/{case}", real=real, generated=generated, k=k, **balls)
    store(f"features/{case}", frechet=fid["frechet_inception_distance"], kernel=kid["kernel_inception_distance_mean"])


def images(case, n, h, w, c):
    """Images with and without noise. scikit-image has only a window of 11 × 11; smaller ones are pytorch-msssim's,
    which rounds its weights to float32."""
    draw = rng(f"images/{case}")
    x = draw.uniform(0, 1, (n, h, w, c)).astype(np.float32)
    y = np.clip(x + draw.normal(0, 0.15, x.shape), 0, 1).astype(np.float32)
    x, y = x.astype(np.float64), y.astype(np.float64)
    settings = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0, channel_axis=-1)
    window = (min(h, w, 11) - 1) // 2 * 2 + 1
    if window == 11:
        ssim = [structural_similarity(*pair, **settings) for pair in zip(x, y)]
    else:
        first, second = (torch.from_numpy(of).permute(0, 3, 1, 2) for of in (x, y))
        ssim = small_ssim(first, second, data_range=1, size_average=False, win_size=window, win_sigma=1.5)
    mse = [mean_squared_error(*pair) for pair in zip(x, y)]
    psnr = [peak_signal_noise_ratio(*pair, data_range=1) for pair in zip(x, y)]
    store(f"images/{case}", x=x, y=y, mse=mse, psnr=psnr, ssim=ssim)


def main():
    torch.set_num_threads(1)
    features("full", 120, 100, 12, 5)
    features("deficient", 10, 12, 16, 2)  # fewer rows than numbers: covariances without full rank
    images("grey", 2, 16, 13, 1)
    images("colour", 2, 11, 17, 3)
    images("small", 2, 6, 8, 3)
    Path(__file__).with_suffix(".safetensors").write_bytes(save(TENSORS))


if __name__ == "__main__":
    main()
