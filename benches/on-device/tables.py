"""The tables of a record, in Markdown: what a person reads first."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "peers"))
import report

HEAVY = 6  # kernels shown of each recipe
LONG = 200  # characters shown of a reason
HEADS = {"kernels": ("median ms", "GFLOP/s", "of roof"), "steps": ("ms of two steps", "images/s"),
         "sampling": ("ms of 256 images", "images/s")}


def number(value, digits=3):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def share(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def table(head, rows, last="---:"):
    """Numbers stand on the right, names on the left."""
    if not rows:
        return []
    lines = ["", "| " + " | ".join(head) + " |", f"| --- |{' ---: |' * (len(head) - 2)} {last} |"]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def results(record, group):
    """What each stage of a group gave, by the name after its colon."""
    found = {}
    for stage in record["stages"]:
        first, _, rest = stage["name"].partition(":")
        if first == group and stage.get("result"):
            found[rest or first] = stage["result"]
    return found


def stages(record):
    rows = [(s["name"], f"{s['seconds']:.1f}", f"{s['limit_s']:.0f}", s["ended"]) for s in record["stages"]]
    return table(("stage", "s", "limit", "ended"), rows, "---")


def roof(record):
    """The first profile's roofs: the device's, whatever the recipe."""
    profiles = [*results(record, "profile").values(), *results(record, "tuned").values()]
    return profiles[0]["roof"] if profiles else {}


def device(record):
    lines = []
    for found in results(record, "devices").values():
        lines += [f"- {adapter['name']}, {adapter['backend']}, {adapter['driver']}, {adapter['kind']}; "
                  f"{', '.join(adapter['features'])}" for adapter in found["adapters"]]
        lines.append(f"- chosen: {found['chosen']}, for {found['why']}")
    top = roof(record)
    if top:
        lines.append(f"- the roof: {number(top['fma_gflops'])} GFLOP/s of multiply-adds, "
                     f"{number(top['copy_gbps'])} GB/s of a copy; a product of {top['product_side']} reaches {number(top['product_gflops'])} GFLOP/s")
    return ["", *lines] if lines else []


def profiles(record):
    """A step as training runs it, before and after `frit tune`."""
    rows, after = [], results(record, "tuned")
    for recipe, found in results(record, "profile").items():
        step, total, tuned = found["step"], found["total"], after.get(recipe)
        rows.append((recipe, number(step["ms"]), number(tuned and tuned["step"]["ms"]), number(total["ms"]),
                     number(tuned and tuned["total"]["ms"]), number(total["gflops"]), share(total["roof_share"]),
                     step["dispatches"], number(1e3 * step["encoding_ms"] / step["dispatches"]),
                     number(found["first_step"]["total_ms"] / 1e3)))
    return table(("profile", "step ms", "tuned", "calls ms", "tuned", "GFLOP/s", "of roof", "dispatches",
                  "µs to encode one", "s to first step"), rows)


def kernels(record):
    """The heaviest kernels of each recipe, after tuning where that was done."""
    lines, tuned = [], results(record, "tuned")
    for recipe, found in (results(record, "profile") | tuned).items():
        heavy = sorted(found["kernels"], key=lambda kernel: -kernel["ms"])[:HEAVY]
        rows = [(kernel["kernel"], kernel["calls"], number(kernel["ms"]), share(kernel["ms"] / found["total"]["ms"]),
                 number(kernel["gflops"]), number(kernel["gbps"]), share(kernel["roof_share"])) for kernel in heavy]
        title = f"{recipe}{', tuned' if recipe in tuned else ''}"
        lines += table((title, "calls", "ms", "share", "GFLOP/s", "GB/s", "of roof"), rows)
    return lines


def check(record):
    lines = []
    for found in results(record, "check").values():
        failed = [f"{kernel['name']}: {kernel['verdict']}"[:LONG] for kernel in found["kernels"] if kernel["failed"]]
        good = [kernel for kernel in found["kernels"] if not kernel["failed"]]
        worst = max(good, key=lambda kernel: kernel["share_of_tolerance"], default=None)
        far = worst and (f"; the nearest to its tolerance that passes is {worst['name']}, at "
                         f"{share(worst['share_of_tolerance'])} of it")
        lines += ["", f"Check: {len(found['kernels'])} checks, {found['failures']} failed{far or ''}."]
        lines += ["", *(f"- {line}" for line in failed)] if failed else []
    return lines


def tune(record):
    rows = []
    for recipe, found in results(record, "tune").items():
        times = lambda trials: {trial["name"]: trial["ms"] for trial in trials if "ms" in trial}
        pairs = [(times(c["trials"]), c["table"], c["best"]) for c in found["classes"]]
        pairs = [(t[table], t[best], table != best) for t, table, best in pairs if table in t and best in t]
        before, after = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
        rows.append((recipe, len(found["classes"]), sum(pair[2] for pair in pairs), number(before), number(after)))
    return table(("tune", "classes", "changed", "ms by table", "ms by best"), rows)


def benches(record):
    """divan's medians; of kernels, beside the roof."""
    lines, top = [], roof(record).get("fma_gflops")
    for name, found in results(record, "bench").items():
        rows = []
        for row in found:
            rate = row.get("items_per_second")
            if name == "kernels":
                gflops = rate and rate / 1e9
                rows.append((row["name"], number(row["median_ms"]), number(gflops),
                             share(gflops / top if top and gflops else None)))
            else:
                rows.append((row["name"], number(row["median_ms"]), number(rate)))
        lines += table((f"bench {name}", *HEADS[name]), rows)
    return lines


def trainings(record):
    rows = []
    for recipe, found in results(record, "train").items():
        evaluation = found["evaluation"] or {}
        metrics = ", ".join(f"{name} {number(value, 4)}" for name, value in evaluation.items()
                         if isinstance(value, float) and name != "images")
        last = found["epochs"][-1] if found["epochs"] else {}
        rows.append((recipe, last.get("step", "–"), number(last.get("images_per_second")), metrics or "–"))
    return table(("training", "steps", "images/s", "on the test set"), rows, "---")


def peers(record):
    """The peers' own tables, without their titles; ratios are to frit of the same run."""
    lines, versions = [], {}
    for name, found in results(record, "peers").items():
        made = report.table(f"{name}: ms a step", found["engines"], report.TRAINING, found["results"])
        made += report.table(f"{name}: GFLOP/s; of decode, ms", found["engines"], report.KERNELS, found["results"])
        lines += made
        reasons = report.failures(found["results"], found["firsts"]) + found["faults"]
        lines += ["", *(f"- {line[:LONG]}" for line in reasons)] if reasons else []
        versions |= found["versions"]
    if lines:
        lines = ["", "Peers: in brackets, time as a multiple of frit's.", *lines]
    listed = {engine: ", ".join(f"{key} {value}" for key, value in found.items()) for engine, found in versions.items()}
    return lines + table(("engine", "versions"), sorted(listed.items()), "---")


def markdown(record):
    versions = record["versions"]
    lines = [f"# On a device, {record['date']}", "",
             f"{record['machine']}; frit {versions['frit']} at {record['commit']}; {record['seconds']:.0f} s of "
             f"{record['limit_s']:.0f}. `{record['command']}`", "", *(f"- {note}" for note in record["notes"])]
    for part in (stages, check, tune, kernels, benches, trainings, device, profiles, peers):
        try:
            lines += part(record)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # The record has it all; one table that cannot be made must not cost the others.
            lines += ["", f"The table of {part.__name__} could not be made: {type(error).__name__}: {error}"]
    lines += ["", *(f"Fault: {fault}" for fault in record["faults"])] if record["faults"] else []
    return "\n".join(lines) + "\n"
