"""The record of a run on a device, as tables."""

import statistics


def median(answers, key="ms"):
    values = [answer[key] for answer in answers if key in answer]
    return statistics.median(values) if values else None


def number(value):
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def result(record, name):
    return (record["stages"].get(name) or {}).get("result") or {}


def head(record):
    versions = ", ".join(f"{name} {value}" for name, value in record["versions"].items() if value)
    devices = result(record, "devices")
    return ["# On a device", "", f"{record['date']}; {versions}; device: {devices.get('chosen', 'unknown')}"]


def stage_table(record):
    lines = ["", "| stage | seconds | result |", "| --- | ---: | --- |"]
    for name, answer in record["stages"].items():
        ended = answer.get("skipped") or ("over its limit" if answer["timed_out"] else f"exit {answer['code']}")
        lines.append(f"| {name} | {answer.get('seconds', 0):.1f} | {ended} |")
    return lines


def profiles(record):
    """The step of each recipe, by the table of variants and tuned."""
    recipes = [name.split(" ", 1)[1] for name in record["stages"] if name.startswith("profile ")]
    lines = ["", "| recipe | ms per step | tuned | dispatches | GFLOP/s | host ms | first step s |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for recipe in recipes:
        before, after = result(record, f"profile {recipe}"), result(record, f"tuned {recipe}")
        step, total = before.get("step", {}), before.get("total", {})
        rate = total["flops"] / step["ms"] / 1e6 if step and total else None
        first = before.get("first_step", {}).get("total_ms")
        lines.append(f"| {recipe} | {number(step.get('ms'))} | {number(after.get('step', {}).get('ms'))} | "
                     f"{step.get('dispatches', '–')} | {number(rate)} | {number(step.get('encoding_ms'))} | "
                     f"{number(first / 1e3 if first else None)} |")
    roof = next((found["roof"] for found in map(lambda r: result(record, f"profile {r}"), recipes) if "roof" in found), None)
    if roof:
        lines += ["", f"Roofline: {number(roof['fma_gflops'])} GFLOP/s multiply-add, {number(roof['copy_gbps'])} GB/s copy, "
                  f"{number(roof['product_gflops'])} GFLOP/s in a product of side {roof['product_side']}."]
    return lines


def top_calls(record):
    lines = []
    for name in record["stages"]:
        found = result(record, name)
        if name.startswith("profile ") and "kernels" in found:
            total = found["total"]["ms"]
            longest = [f"{row['kernel']} {100 * row['ms'] / total:.0f} %" for row in found["kernels"][:6]]
            lines.append(f"- {name.split(' ', 1)[1]}: {', '.join(longest)}")
    return ["", "Share of the calls' time:", "", *lines] if lines else []


def kernels(record):
    rows = result(record, "kernels").get("medians", {})
    lines = [f"| {name} | {row['median']} | {row.get('rate', '')} |" for name, row in rows.items()]
    return ["", "| kernel | median | rate |", "| --- | ---: | ---: |", *lines] if lines else []


def trained(record):
    lines = []
    for name in ("train vae", "train dcgan"):
        found = result(record, name)
        figures = ", ".join(f"{key} {value:.4g}" for key, value in found.items() if isinstance(value, float))
        if figures:
            lines.append(f"- {name}: {figures} ({record['stages'][name]['seconds']:.1f} s)")
    check = result(record, "check")
    if "checks" in check:
        lines.append(f"- check: {check['checks']} checks, {len(check['failures'])} failed")
    return ["", *lines] if lines else []


def peers(record):
    lines = []
    for name in ("peers fast", "peers compiled", "peers burn"):
        found = result(record, name)
        results = found.get("results", {})
        workloads = list(results)
        engines = found.get("engines", [])
        if not workloads:
            continue
        lines += ["", f"{name}: ms (frit's speed as a multiple of the engine's); products and convolution in GFLOP/s", "",
                  "| engine | " + " | ".join(workloads) + " |", "| --- |" + " ---: |" * len(workloads)]
        for engine in engines:
            cells = []
            for workload in workloads:
                answers = results[workload].get(engine, [])
                ms, ours = median(answers), median(results[workload].get("frit-gpu", []))
                shown = median(answers, "gflops") or ms
                ratio = f" ({ms / ours:.2f})" if ms and ours and engine != "frit-gpu" else ""
                cells.append(number(shown) + ratio)
            lines.append(f"| {engine} | " + " | ".join(cells) + " |")
        errors = {(engine, answer["error"][:120]) for by_engine in results.values() for engine, answers in by_engine.items()
                  for answer in answers if "error" in answer}
        lines += ["", *(f"- {engine}: {error}" for engine, error in sorted(errors))] if errors else []
        versions = found.get("versions", {})
        lines += ["", "; ".join(f"{engine}: " + ", ".join(map(str, said.values())) for engine, said in versions.items())]
    return lines


def markdown(record):
    parts = (head, stage_table, top_calls, kernels, trained, profiles, peers)
    return "\n".join(line for part in parts for line in part(record)) + "\n"
