"""What the engines in Python share: names on stdin, JSON lines on stdout. See README.md."""

import json
import os
import sys
import time

VARIANCE = 1 / 12  # of numbers spread evenly over an interval of one
PRODUCTS = {f"product-{side}": side for side in (512, 1024, 2048, 4096)}
CONVOLUTION_FLOPS = 2 * 32 * 32 * 32 * 64 * 64 * 9


def peak_mib():
    """The largest resident set of this process so far; None where the system does not say."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return None


class Workload:
    """`step` runs `steps` of them, which the device may finish later; `sync` waits; `loss` is the last step's."""

    steps = 1
    parameters = None
    flops = None

    def step(self):
        raise NotImplementedError

    def loss(self):
        return None


class Engine:
    """Keeps warm what it has been asked for."""

    def __init__(self, build, sync, versions, seconds):
        self.build, self.sync, self.versions, self.seconds = build, sync, versions, seconds
        self.warm = {}
        self.idle_mib = peak_mib()

    def timed(self, workload, calls):
        """Seconds of a step."""
        start = time.perf_counter()
        for _ in range(calls):
            workload.step()
        self.sync(workload)
        return (time.perf_counter() - start) / (calls * workload.steps)

    def warm_up(self, name):
        """The first step, then more of them until what is compiled, tuned and cached has been."""
        asked = time.perf_counter()
        workload = self.build(name)
        step = self.timed(workload, 1)
        answer = {"first_ms": (time.perf_counter() - asked) * 1e3}
        if workload.parameters is not None:
            answer |= {"parameters": workload.parameters, "first_loss": workload.loss()}
        start, calls = time.perf_counter(), 1
        while time.perf_counter() - start < self.seconds:
            step = self.timed(workload, calls)
            calls *= 2
        self.warm[name] = [workload, step]
        return answer

    def block(self, name):
        answer = {} if name in self.warm else self.warm_up(name)
        workload, step = self.warm[name]
        calls = max(1, int(self.seconds / (step * workload.steps)))
        if self.seconds > 0:
            step = self.warm[name][1] = self.timed(workload, calls)
        answer |= {"workload": name, "ms": step * 1e3, "steps": calls * workload.steps}
        if workload.parameters is not None:
            answer["loss"] = workload.loss()
        if self.idle_mib is not None:
            answer |= {"idle_mib": self.idle_mib, "peak_mib": peak_mib()}
        if workload.flops is not None:
            answer["gflops"] = workload.flops / step / 1e9
        return answer

    def answer(self, name):
        if name == "versions":
            return self.versions()
        try:
            return self.block(name)
        except Exception as error:
            return {"workload": name, "error": f"{type(error).__name__}: {error}".splitlines()[0]}


def serve(engine):
    """Answers until stdin ends. What libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(engine.answer(line.strip())), file=out, flush=True)
