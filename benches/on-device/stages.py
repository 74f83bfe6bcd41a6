"""The stages of a run on a device: commands, limits in seconds, and readers of their output."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

RECIPES = ("vae", "conv-vae", "dcgan", "vqvae")
NAMES = ("devices", "check", "profile", "tune", "tuned", "kernels", "train", "peers")
FAST = "frit-gpu,torch-cuda-eager,torch-cuda-fused,torch-cuda-graphs"
COMPILED = "frit-gpu,torch-cuda-compiled,jax-step,jax-scan"
BURN = "frit-gpu,burn-wgpu"


@dataclass
class Stage:
    name: str
    command: list
    limit: float
    parse: Callable = lambda text, folder: text[-4000:]
    # True if the messages of the program belong to its result.
    merged: bool = False

    @property
    def shown(self):
        """The command without the folders of one machine."""
        return " ".join(re.sub(r"^.*/", "", str(word)) if str(word).startswith("/") else str(word) for word in self.command)


def as_json(text, folder):
    """The JSON that a program printed, or the end of its output."""
    try:
        return json.loads(text)
    except ValueError:
        return {"output": text[-4000:]}


def summary(keys):
    """A reader that keeps some keys of the JSON."""
    def parse(text, folder):
        found = as_json(text, folder)
        return {key: found[key] for key in (*keys, "output") if key in found}
    return parse


def profile(text, folder):
    """A profile with its ten longest calls."""
    found = as_json(text, folder)
    if "calls" in found:
        found["calls"] = sorted(found["calls"], key=lambda call: -call["ms"])[:10]
    return found


def divan(text, folder):
    """The medians of divan's table: `name │ argument` → time and throughput."""
    rows, path = {}, []
    for line in text.splitlines():
        depth = len(re.match(r"[│ ]*", line).group()) // 3
        found = re.match(r"[│ ]*[├╰]─ (\S.*?)(?:\s{2,}|\s*│|$)(.*)", line)
        if found:
            path = path[:depth] + [found.group(1).strip()]
        cells = [cell.strip() for cell in line.split("│")]
        if found and len(cells) > 4 and re.match(r"[\d.]+ \S+$", cells[-4] or ""):
            rows[" ".join(path)] = {"median": cells[-4]}
        elif rows and len(cells) > 4 and "/s" in cells[-4]:
            rows[list(rows)[-1]]["rate"] = cells[-4].replace("item/s", "FLOP/s")
    return {"medians": rows, "text": text[-6000:]}


def peers(name):
    """The record that benches/peers/run wrote, complete or not."""
    def parse(text, folder):
        path = Path(folder) / f"{name}.json"
        return json.loads(path.read_text()) if path.exists() else {"output": text[-2000:]}
    return parse


def peer_stages(bin, root, python, short):
    """Three groups of engines; frit is in each, so that ratios are of one run."""
    run = [python, root / "benches/peers/run", "--frit", bin / "peer", "--python", python, "--no-first"]
    if (bin / "frit-peer-burn").exists():
        run += ["--burn", bin / "frit-peer-burn"]
    blocks = ["--blocks", "1", "--seconds", "0.2"] if short else ["--blocks", "5", "--seconds", "0.4"]
    training = "mlp-vae" if short else "mlp-vae,conv-vae,dcgan,vqvae"
    kernels = "" if short else ",product-1024,product-2048,product-4096,convolution,decode"
    groups = [("peers fast", FAST, training + kernels, 130), ("peers compiled", COMPILED, training, 130),
              ("peers burn", BURN, training, 110)]
    for name, engines, workloads, limit in groups:
        record = name.replace(" ", "-")
        command = [*run, "--engines", engines, "--workloads", workloads, "--patience", "45", *blocks]
        yield Stage(name, [*command, "--record", f"{record}.json"], limit, peers(record), merged=True)


def plan(bin, root, python, scratch, short):
    """All stages, the most telling first."""
    frit, gpu = bin / "frit", ["--device", "gpu"]
    recipes = RECIPES[:1] if short else RECIPES
    steps = ["--steps", "2"] if short else []
    yield Stage("devices", [frit, "devices", "--json"], 30, as_json)
    for recipe in recipes:
        yield Stage(f"profile {recipe}", [frit, "profile", recipe, *gpu, "--json", *steps], 30 if not short else 120, profile)
    fast, compiled, burn = peer_stages(bin, root, python, short)
    yield fast
    for recipe in recipes:
        yield Stage(f"tune {recipe}", [frit, "tune", recipe, *gpu, "--json"], 30 if not short else 240, as_json)
    for recipe in recipes:
        yield Stage(f"tuned {recipe}", [frit, "profile", recipe, *gpu, "--json", *steps], 30 if not short else 120, profile)
    filters = ["roof_gpu"] if short else ["gpu", "by_variant", "conv"]
    yield Stage("kernels", [bin / "kernels", "--bench", *filters], 40 if not short else 120, divan, merged=True)
    yield compiled
    yield burn
    ends = ["--epochs", "1", "--steps", "20"] if short else ["--epochs", "5"]
    figures = summary(("neg_elbo", "recon", "kl", "d_loss", "g_loss", "device"))
    yield Stage("train vae", [frit, "train", "vae", *gpu, *ends, "--out", "run-vae", "-q", "--json"], 60, figures)
    yield Stage("train dcgan", [frit, "train", "dcgan", *gpu, *(ends if not short else ["--steps", "2"]),
                                "--out", "run-dcgan", "-q", "--json"], 60 if not short else 240, figures)
    operators = ["fill", "matmul"] if short else []
    yield Stage("check", [frit, "check", *operators, *gpu, "--json"], 100, check)


def check(text, folder):
    """The counts, and the kernels that failed."""
    found = as_json(text, folder)
    kernels = found.pop("kernels", [])
    worst = sorted(kernels, key=lambda row: -(row.get("share_of_tolerance") or 0))[:5]
    return found | {"checks": len(kernels), "failures": [row for row in kernels if row.get("passed") is False], "worst": worst}
