"""Compute the metrics of `frit eval --seed 42` with PyTorch in float64.

    python figures.py RUN DATA [RUN DATA …], where DATA is an .npz file of images or a .txt file

Prints, for each run, the names and shapes of its module's tensors, and the metrics of its latest checkpoint on the test
images of its data; of a run with a running average of its weights, also the metrics of the average.
"""

import json
import math
import sys
import tomllib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Normal, kl_divergence

ROOT = Path(__file__).resolve().parents[4]
sys.path += [str(ROOT / "tests" / "golden"), str(ROOT / "scripts")]

import open_in_torch as frit
from discrete import GAN_LOSSES
from noise import MIX, noise, uniform

EVALUATE, CORRUPT = 4, 15  # frit's Stream::Evaluate and Stream::Corrupt


def similarity(x, picture):
    """MSE and PSNR of images clamped to [0, 1], means over the images."""
    mse = ((picture.clamp(0, 1) - x) ** 2).flatten(1).mean(1)
    return {"mse": mse.mean(), "psnr": (-10 * mse.log10()).mean()}


def recon(model, z, x, y):
    """−log p(x|z) in nats per image."""
    output, sigma = model.output(z, y), model.settings["sigma"]
    if model.settings["likelihood"] == "bernoulli":
        rows = F.binary_cross_entropy_with_logits(output, x, reduction="none")
    else:
        rows = -Normal(output, sigma).log_prob(x)
    return rows.flatten(1).sum(1).mean()


def of_vae(model, x, y, _):
    nearest = x
    if model.settings["binarise"]:
        draws = uniform(1, MIX, x.numel()).reshape(x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
        x, nearest = (x + draws > 1).to(x), (x > 0.5).to(x)
    made = model(x, y)
    prior, posterior = Normal(0.0, 1.0), Normal(made["mean"], (0.5 * made["logvar"]).exp())
    z0 = posterior.mean + posterior.stddev * noise(1, EVALUATE, *posterior.mean.shape)
    z, log_slope = model.flowed(z0, model.hidden(x, y))
    error, kl = recon(model, z, x, y), kl_divergence(posterior, prior).sum(1).mean()
    kl = kl + ((prior.log_prob(z0) - prior.log_prob(z)).sum(1) - log_slope).mean()
    return {"recon": error, "kl": kl, "neg_elbo": error + kl} | similarity(nearest, model(nearest, y)["picture"])


def of_ae(model, x, y, _):
    made = model(x)
    return {"recon": recon(model, made["code"], x, y)} | similarity(x, made["picture"])


def of_gan(model, x, y, _):
    on_real, on_fake, on_generator, report = GAN_LOSSES[model.settings["loss"]]
    fake = model.generate(noise(1, EVALUATE, len(x), model.settings["latent"]), y)
    of_real, of_fake = model(x, y)["score"], model.score(fake, y)
    d_loss = on_real(of_real, model.settings["label_smoothing"]) + on_fake(of_fake)
    means = {"d_loss": d_loss, "g_loss": on_generator(of_fake), "d_real": report(of_real), "d_fake": report(of_fake)}
    return {name: rows.mean() for name, rows in means.items()}


def of_flow(model, x, y, _):
    x = x if model.points else 2 * x - 1
    z = noise(1, EVALUATE, *x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
    t = 1 - (1 - uniform(1, MIX, len(x))) ** model.settings["spacing"]
    share = t[:, None, None, None]
    return {"velocity_error": F.mse_loss(model.v((1 - share) * z + share * x, t, y), x - z)}


def of_vqvae(model, x, y, train):
    z, index = model.encode(x)
    shares = torch.bincount(index.flatten()).double() / index.numel()
    picture = model.decode(index)
    commitment = lambda: {"commitment": F.mse_loss(z, model.codebook.codes(index))}
    return similarity(x, picture) | (commitment() if isinstance(model.codebook, frit.Codebook) else {}) | {
        "nmse": F.mse_loss(picture, x) / train.var(unbiased=False),
        "perplexity": torch.special.entr(shares).sum().exp(),
        "used_codes": (shares > 0).sum(),
    }


def of_prior(model, x, y, _):
    nats = model(x, y)["nats"]
    return {"code_nats": nats.mean(), "code_bits": nats.sum(1).mean() / math.log(2)}


def of_pixels(model, x, y, _):
    dither = uniform(1, EVALUATE, x.numel()).reshape(x[:, 0].shape) if model.settings["dither"] else 0.5
    nats = model(x, y, dither)["nats"]
    return {"image_nats": nats.sum(1).mean(), "pixel_bits": nats.mean() / math.log(2)}


def of_wavenet(model, x, y, _):
    nats = model(x, y)["nats"].mean()
    return {"sample_nats": nats, "byte_bits": nats / math.log(2)}


def of_realnvp(model, x, y, _):
    rows = model.rows(x, noise(1, EVALUATE, len(x), sum(model.realnvp.halves)))
    z, nats = model.realnvp(rows)
    assert (model.realnvp.inverse(z) - rows).abs().max() < 1e-9 * rows.abs().max(), "the inverse is another function"
    return {"latent_nll": nats.mean()}


def of_classifier(model, x, y, _):
    logits = model(x)["logits"]
    return {"cross_entropy": F.cross_entropy(logits, y), "errors": (logits.argmax(1) != y).double().mean()}


def score_losses(kind, of, real, fake):
    """D's loss and G's on patches of real and of made images."""
    on_real, on_fake, on_generator, _ = GAN_LOSSES[kind]
    of_real, of_fake = of(real), of(fake)
    return on_real(of_real, 0).mean() + on_fake(of_fake).mean(), on_generator(of_fake).mean()


def of_cyclegan(model, x, y, _):
    x, error = 2 * x - 1, lambda a, b: (a - b).abs().mean() / 2
    rows = []
    for side, other in ("ab", "ba"):
        to, back, of = getattr(model, f"to_{side}"), getattr(model, f"to_{other}"), getattr(model, f"of_{side}")
        fake = to(x)
        rows.append((*score_losses(model.settings["loss"], of, x, fake), error(back(fake), x), error(to(x), x)))
    means = [sum(pair) / 2 for pair in zip(*rows)]
    return dict(zip(("d_loss", "g_loss", "cycle_error", "identity_error"), means))


def of_paired(model, x, y, _):
    kind, *number = model.settings["corrupt"].split(":")
    clean, size = 2 * x - 1, x.shape[2:]
    if kind == "down":
        k = int(number[0])
        blocks = F.avg_pool2d(clean, k)
        given = blocks.repeat_interleave(k, 2).repeat_interleave(k, 3)
    else:
        # A square at a place that two numbers choose.
        side = int(number[0])
        u = uniform(1, CORRUPT, 2 * len(x)).reshape(-1, 2)
        # Sixteen bits of a number choose among places.
        whole = (u * 2**23).long() >> 7
        top, left = (whole[:, axis] * (size[axis] - side + 1) >> 16 for axis in (0, 1))
        unknown = torch.zeros_like(clean[:, :1])
        for image, row, column in zip(unknown, top, left):
            image[:, row : row + side, column : column + side] = 1
        given = torch.cat([clean * (1 - unknown), 2 * unknown - 1], 1)
    made = model.made(given)
    losses = {"l1_error": (made - clean).abs().mean() / 2}
    if model.settings["gan_weight"] > 0:
        of = lambda image: model.discriminator(torch.cat([given, image], 1))
        d_loss, g_loss = score_losses(model.settings["loss"], of, clean, made)
        losses |= {"d_loss": d_loss / 2, "g_loss": g_loss}
    return losses


FIGURES = {
    frit.CycleGan: of_cyclegan,
    frit.Paired: of_paired,
    frit.Vae: of_vae,
    frit.Autoencoder: of_ae,
    frit.Gan: of_gan,
    frit.Flow: of_flow,
    frit.VqVae: of_vqvae,
    frit.Prior: of_prior,
    frit.Pixels: of_pixels,
    frit.Wavenet: of_wavenet,
    frit.RealNvp: of_realnvp,
    frit.Classifier: of_classifier,
}


def pieces(run, text):
    """The training and the test pieces of a text, as frit divides it."""
    length = tomllib.loads(Path(run, "config.toml").read_text())["data"]["length"]
    codes = np.fromfile(text, np.uint8)
    codes = codes[: len(codes) // length * length].reshape(-1, 1, length)
    train = len(codes) - max(1, round(0.1 * len(codes)))
    return {"x_train": codes[:train], "x_test": codes[train:], "y_test": np.zeros(len(codes) - train)}


def figures(run, data, average=False):
    model = frit.load(run, average, torch.float64)
    x, train = frit.images(data["x_test"]), frit.images(data["x_train"])
    y = torch.from_numpy(data["y_test"].astype(np.int64))
    measured = FIGURES[type(model)](model, x, y, train)
    return model, {name: float(value) for name, value in measured.items()}


def report(run, data):
    model, latest = figures(run, data)
    # frit does not keep counts of batches.
    names = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    frozen = {frit.Prior: ("prior.", ["vqvae"]), frit.RealNvp: ("realnvp.", ["ae", "vae"])}
    own, others = frozen.get(type(model), ("", []))

    def in_file(name):
        network, _, rest = name.partition(".")
        return f"{network}/{rest}" if network in others else name.removeprefix(own)

    shapes = {in_file(name): list(model.state_dict()[name].shape) for name in names}
    of_run = {"names": shapes, "latest": latest}
    if tomllib.loads(Path(run, "config.toml").read_text())["optimiser"]["average"] > 0:
        of_run["average"] = figures(run, data, average=True)[1]
    assert all(math.isfinite(value) for value in latest.values()), f"{run}: {latest}"
    return of_run


def main():
    torch.set_num_threads(1)
    pairs = zip(sys.argv[1::2], sys.argv[2::2])
    load = lambda run, data: pieces(run, data) if data.endswith(".txt") else np.load(data)
    print(json.dumps({Path(run).name: report(run, load(run, data)) for run, data in pairs}))


if __name__ == "__main__":
    main()
