"""The output of a stage, made into data; and the record of all stages."""

import json
import math
import re

TEXT = 6000  # characters that are kept of a stage's output apart from its data
UNITS = {"ps": 1e-9, "ns": 1e-6, "µs": 1e-3, "ms": 1.0, "s": 1e3}
SCALES = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def result(stage, outcome):
    """The data of a stage; nothing where there is none yet, as of a stage that was cut."""
    readers = {"json": lambda: from_json(outcome.stdout), "divan": lambda: divan(outcome.stdout),
               "check": lambda: check(outcome.stdout),
               "training": lambda: training(stage, outcome), "peers": lambda: peers(stage.folder)}
    try:
        return readers[stage.kind]()
    except (OSError, ValueError, LookupError):
        return None


def from_json(text):
    return json.loads(text) if text.strip() else None


def check(text):
    """The lines of `frit check`."""
    row = r"^(.+?) +(\d+) cases  worst error +(\S+) +(\S+) % of tolerance  (ok|FAILED.*)$"
    found = [{"name": name, "cases": int(cases), "worst_error": finite(error),
              "share_of_tolerance": finite(percent, 100), "failed": verdict != "ok", "verdict": verdict}
             for name, cases, error, percent, verdict in re.findall(row, text, re.MULTILINE)]
    return {"kernels": found, "failures": sum(kernel["failed"] for kernel in found)}


def finite(text, parts=1):
    """JSON has no infinity."""
    value = float(text)
    return value / parts if math.isfinite(value) else None


def training(stage, outcome):
    epochs = stage.folder / "metrics.jsonl"
    lines = epochs.read_text().splitlines() if epochs.exists() else []
    return {"epochs": [json.loads(line) for line in lines], "evaluation": from_json(outcome.stdout)}


def peers(folder):
    return json.loads(sorted(folder.glob("*.json"))[0].read_text())


def divan(text):
    """The table of a divan program: a row of times and one of throughput for each function and argument."""
    found, above = [], []
    for line in text.splitlines():
        head = re.match(r"^([│ ]*)[├╰]─ (.*)$", line)
        cells = [cell.strip() for cell in line.split("│")]
        if head:
            name = re.split(r"\s{2,}", head[2])[0]
            above = [*above[: len(head[1]) // 3], name.strip()]
            times = [milliseconds(cell) for cell in re.findall(r"[\d.]+ (?:ps|ns|µs|ms|s)\b", head[2][len(name):])]
            if len(times) == 4:
                keys = ("fastest_ms", "slowest_ms", "median_ms", "mean_ms")
                found.append({"name": " ".join(above), **dict(zip(keys, times)), "samples": int(cells[-2])})
        elif found and "item/s" in line:
            rates = re.findall(r"([\d.]+) ([KMGT]?)item/s", line)
            found[-1]["items_per_second"] = float(rates[2][0]) * SCALES[rates[2][1]]
    return found


def milliseconds(text):
    number, unit = text.split()
    return float(number) * UNITS[unit]


def ended(stage, outcome, found):
    """How a stage ended, in a word or a sentence."""
    if outcome.code is None:
        return "stopped" if outcome.stopped else "cut at its limit"
    if stage.kind == "peers":
        return frit_in(found, outcome.code)
    if outcome.code:
        return f"ended with {outcome.code}"
    return "well" if found else "printed nothing that can be read"


def frit_in(found, code):
    """Of peers, only frit's part is held against the stage: others may be absent or give losses that are not finite."""
    if found is None or not found["finished"]:
        return f"ended with {code} before its end"
    answers = [answer for by_engine in found["results"].values() for answer in by_engine.get("frit-gpu", [])]
    reasons = [answer["error"] for answer in answers
               if "error" in answer and not answer["error"].startswith(("no time left", "left out"))]
    reasons += [fault for fault in found["faults"] if fault.startswith("frit-gpu")]
    if reasons:
        return f"frit: {reasons[0]}"
    return "well" if any("ms" in answer for answer in answers) else "found no time to measure frit"


def entry(stage, limit, outcome):
    """A stage in the record."""
    found = result(stage, outcome)
    kept = {"name": stage.name, "command": [str(word) for word in stage.command], "own": stage.own,
            "limit_s": round(limit, 1), "seconds": round(outcome.seconds, 2), "code": outcome.code,
            "ended": ended(stage, outcome, found), "result": found, "stderr": outcome.stderr[-TEXT:]}
    if found is None or stage.kind == "divan":
        kept["stdout"] = outcome.stdout[-TEXT:]
    return kept


def left_out(stage):
    return {"name": stage.name, "own": stage.own, "ended": "left out: no time was left", "result": None, "seconds": 0.0,
            "limit_s": 0.0, "code": None}


def scrubbed(value, folders):
    """Without the names of this machine's folders, which are nothing to a reader."""
    if isinstance(value, dict):
        return {key: scrubbed(inner, folders) for key, inner in value.items()}
    if isinstance(value, list):
        return [scrubbed(inner, folders) for inner in value]
    if isinstance(value, str):
        for folder in folders:
            value = value.replace(f"{folder}/", "")
        return re.sub(r"(?<![\w.~:/])/(?:home|root|work|Users|tmp)/(?:[^\s/\"']+/)*", "", value)
    return value
