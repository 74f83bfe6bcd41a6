"""What is run, in what order, and for how long: the most valuable first, for the last ones may find no time left."""

from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent / "peers" / "run"
RECIPES = ("vae", "conv-vae", "dcgan", "vqvae")
TRAINING = "mlp-vae,conv-vae,dcgan,vqvae,flow-matching"
KERNELS = "product-1024,product-2048,convolution,decode"
# Seconds that benches/peers/run has for its start and its end beside what it measures.
AROUND = 8


@dataclass
class Stage:
    """`kind` says how its output is read; `own` is what frit answers for; `folder` is where it leaves files."""

    name: str
    command: list
    limit: float
    kind: str = "json"
    own: bool = True
    folder: Path | None = None


def python(tools):
    """What this Python has: the first stage, for the peers depend on it."""
    return Stage("python", [tools["python"], Path(__file__).resolve().parent / "probe.py"], 40, own=False)


def devices(tools):
    return [Stage("devices", [tools["frit"], "devices", "--json"], 30)]


def check(tools, short):
    """As text, which comes kernel by kernel: one that is cut has the kernels before."""
    return [Stage("check", [tools["frit"], "check", *(["permute", "fill"] if short else [])], 100, "check")]


def profiles(tools, short, group):
    steps = ["--steps", 3] if short else []
    return [Stage(f"{group}:{recipe}", [tools["frit"], "profile", recipe, "--json", "--device", "gpu", *steps], 40)
            for recipe in (RECIPES[:2] if short else RECIPES)]


def tune(tools, short):
    # Small layers are measured in a moment.
    small = ["--hidden", 32, "--batch-size", 32] if short else []
    return [Stage(f"tune:{recipe}", [tools["frit"], "tune", recipe, "--json", "--device", "gpu", *small], 40)
            for recipe in (RECIPES[:1] if short else RECIPES)]


def benches(tools, short):
    """divan's programs; filters leave out what belongs to the processor."""
    few = ["--sample-count", 1] if short else []

    def bench(name, limit, *filters):
        return Stage(f"bench:{name}", [tools[name], "--bench", *few, *filters], limit, "divan")

    if short:
        return [bench("kernels", 60, "roof_gpu", "square_gpu"), bench("steps", 60, "on_an_adapter::mlp-vae"),
                bench("sampling", 60, "on_an_adapter::mlp-vae")]
    return [bench("kernels", 50, "_gpu", "square_by_variant"), bench("steps", 40, "on_an_adapter"),
            bench("sampling", 40, "on_an_adapter")]


def train(tools, short):
    found = []
    for recipe, words in (("vae", ["--steps", 10] if short else ["--epochs", 5]),
                          ("dcgan", ["--steps", 1, "--batch-size", 16] if short else ["--epochs", 1])):
        folder = tools["work"] / f"train-{recipe}"
        command = [tools["frit"], "train", recipe, "--json", "--device", "gpu", "--out", folder, *words]
        found.append(Stage(f"train:{recipe}", command, 60 if short else 40, "training", folder=folder))
    return found


def peers(tools, short, name, limit, engines, workloads, patience):
    """frit is in every one of them, so that ratios are of one run."""
    folder = tools["work"] / f"peers-{name}"
    words = ["--blocks", 1, "--seconds", 0.2] if short else ["--blocks", 5, "--seconds", 0.4]
    burn = ["--burn", tools["burn"]] if "burn" in tools else ["--no-build"]
    command = [
        tools["python"], PEERS, "--engines", ",".join(["frit-gpu", *engines]), "--workloads",
        "mlp-vae" if short else workloads, *words, "--frit", tools["peer"], *burn, "--python", tools["python"],
        "--commit", tools["commit"], "--out", folder, "--no-first", "--keep", "--patience", patience,
    ]
    return Stage(f"peers:{name}", command, limit, "peers", folder=folder)


def all_stages(tools, short, cuda):
    """Every stage. PyTorch runs on the processor where it finds no CUDA."""
    torch = "torch-cuda-" if cuda else "torch-"
    graphs = [f"{torch}graphs"] if cuda else []
    training, everything = TRAINING, f"{TRAINING},{KERNELS}"
    burn = ["burn-wgpu"] if "burn" in tools else []
    found = devices(tools) + profiles(tools, short, "profile")
    simple = [f"{torch}eager", f"{torch}fused", *graphs]
    found.append(peers(tools, short, "torch", 130, simple, f"{everything},product-4096", 40))
    found += check(tools, short) + tune(tools, short) + profiles(tools, short, "tuned")
    found.append(peers(tools, short, "jax", 90, ["jax-step", "jax-scan"], everything, 40))
    found.append(benches(tools, short)[0])
    found += train(tools, short)
    found.append(peers(tools, short, "compiled", 100, [f"{torch}compiled"], training, 60))
    if burn:
        found.append(peers(tools, short, "burn", 100, burn, everything.replace(",flow-matching", ""), 60))
    return found + benches(tools, short)[1:]


def chosen(stages, names):
    """Those with one of these names, or of one of these groups, which is the part before a colon."""
    known = {name for stage in stages for name in (stage.name, stage.name.split(":")[0])}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"no stage is called {unknown[0]}; there are {', '.join(stage.name for stage in stages)}")
    return [stage for stage in stages if not names or {stage.name, stage.name.split(":")[0]} & set(names)]
