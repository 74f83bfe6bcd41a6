"""What came out, as tables: medians, and how many times frit's time that is."""

import math
import os
import platform
import statistics
import subprocess

from engines import ROOT

TRAINING = ["mlp-vae", "conv-vae", "dcgan", "vqvae", "flow-matching"]
PRODUCTS = [f"product-{side}" for side in (512, 1024, 2048, 4096)]
KERNELS = [*PRODUCTS, "convolution", "decode"]
# After this number of steps, a loss that has not fallen is no training; a GAN's may do as it likes.
ENOUGH = 20


def machine():
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()} {platform.release()}"


def git(*words):
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def commit():
    """Of this tree, where git is at hand and knows it."""
    short = git("rev-parse", "--short", "HEAD") or "unknown"
    return short + (" and changes" if git("status", "--porcelain", "-uno") else "")


def faults(results):
    """Reasons not to believe the figures, engine by engine: `results[workload][engine]` is a list of answers."""
    found = []
    for workload in TRAINING:
        counts = {}
        for engine, answers in results.get(workload, {}).items():
            good = [answer for answer in answers if "ms" in answer]
            if not good:
                continue
            counts.setdefault(good[0].get("parameters"), []).append(engine)
            losses, first = [answer["loss"] for answer in good], good[0]["first_loss"]
            if not all(isinstance(loss, (int, float)) and math.isfinite(loss) for loss in (first, *losses)):
                found.append(f"{engine} on {workload}: a loss is not finite")
            elif workload != "dcgan" and good[-1]["steps"] >= ENOUGH and losses[-1] >= first:
                found.append(f"{engine} on {workload}: the loss went from {first:.4g} to {losses[-1]:.4g}")
        if len(counts) > 1:
            found.append(f"{workload} has not the same parameters everywhere: {counts}")
    return found


def medians(answers, key="ms"):
    values = [answer[key] for answer in answers if key in answer]
    return statistics.median(values) if values else None


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cell(times, engine, shown):
    """What is shown of an engine, with its time as a multiple of the faster of frit's."""
    ours = [time for name, time in times.items() if name.startswith("frit") and time]
    if times.get(engine) is None:
        return "–"
    return f"{number(shown)} ({times[engine] / min(ours):.2f})" if ours else number(shown)


def table(title, engines, workloads, results):
    workloads = [workload for workload in workloads if workload in results]
    if not workloads:
        return []
    lines = ["", f"| {title} | " + " | ".join(workloads) + " |", "| --- |" + " ---: |" * len(workloads)]
    for engine in engines:
        cells = []
        for workload in workloads:
            times = {name: medians(answers) for name, answers in results[workload].items()}
            rate = medians(results[workload].get(engine, []), "gflops")
            cells.append(cell(times, engine, rate or times.get(engine)))
        lines.append(f"| {engine} | " + " | ".join(cells) + " |")
    return lines


def first_steps(engines, firsts):
    """From process start to the end of the first step, in seconds: with nothing kept, then with what that kept."""
    workloads = [workload for workload in TRAINING if workload in firsts]
    if not workloads:
        return []
    lines = ["", "| s to the first step: cold, again | " + " | ".join(workloads) + " |"]
    lines.append("| --- |" + " ---: |" * len(workloads))
    for engine in engines:
        found = [firsts[workload].get(engine, {}) for workload in workloads]
        both = [", ".join(number(answer[name]) for name in ("cold", "kept") if name in answer) for answer in found]
        lines.append(f"| {engine} | " + " | ".join(text or "–" for text in both) + " |")
    return lines


def memory(engines, results):
    """The peak of each process's resident set, and in brackets what of it came after its start."""
    knows = lambda name: any("peak_mib" in answer for found in results.get(name, {}).values() for answer in found)
    workloads = [name for name in TRAINING if knows(name)]
    if not workloads:
        return []
    lines = ["", "| MiB at the peak (above an idle process) | " + " | ".join(workloads) + " |"]
    lines.append("| --- |" + " ---: |" * len(workloads))
    for engine in engines:
        cells = []
        for workload in workloads:
            found = [answer for answer in results[workload].get(engine, []) if "peak_mib" in answer]
            peak = max((answer["peak_mib"] for answer in found), default=None)
            cells.append(f"{peak:,.0f} ({peak - found[0]['idle_mib']:,.0f})" if found else "–")
        lines.append(f"| {engine} | " + " | ".join(cells) + " |")
    return lines


def failures(results, firsts):
    """Each reason once, with all that it kept from being measured."""
    reasons = {}
    for part, group in (("", results), (" (first step)", firsts)):
        for workload, by_engine in group.items():
            for engine, answers in by_engine.items():
                for answer in answers if isinstance(answers, list) else [answers]:
                    if "error" in answer:
                        where = reasons.setdefault((engine, answer["error"]), [])
                        where += [workload + part] if workload + part not in where else []
    return [f"{engine}, {', '.join(where)}: {error}" for (engine, error), where in reasons.items()]


def markdown(run):
    """The whole record of a run."""
    engines, results, firsts = run["engines"], run["results"], run["firsts"]
    lines = [f"# Other engines, {run['date']}", "", f"{run['machine']}; frit at {run['commit']}; medians of "
             f"{run['blocks']} blocks of {run['seconds']:g} s, engine after engine. `{run['command']}`", "",
             "In brackets: time as a multiple of the faster of frit's; more than one is slower than frit."]
    lines += table("ms per training step", engines, TRAINING, results)
    lines += table("GFLOP/s; of decode, ms", engines, KERNELS, results)
    lines += memory(engines, results)
    lines += first_steps(engines, firsts)
    lines += ["", "| engine | versions |", "| --- | --- |"]
    for engine in engines:
        versions = run["versions"].get(engine, {})
        lines.append(f"| {engine} | " + ", ".join(f"{name} {value}" for name, value in versions.items()) + " |")
    for title, found in (("Not measured", failures(results, firsts)), ("Not to be believed", run["faults"])):
        lines += ["", f"{title}:", "", *(f"- {line}" for line in found)] if found else []
    return "\n".join(lines) + "\n"
