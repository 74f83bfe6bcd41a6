"""The engines as processes: how each is built, started, asked, and what is kept when it dies."""

import contextlib
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BURN = HERE / "burn"

# Everything that compilers and drivers keep between processes, by the variable that says where.
CACHES = ("XDG_CACHE_HOME", "MESA_SHADER_CACHE_DIR", "__GL_SHADER_DISK_CACHE_PATH", "CUDA_CACHE_PATH",
          "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")

TORCH = ("eager", "fused", "compiled")
CPU = ["frit-cpu", "frit-gpu", *(f"torch-{mode}" for mode in TORCH), "jax-step", "jax-scan", "burn-wgpu", "burn-flex"]
DOUBLE = ["frit-reference", "torch-double"]
CUDA = [f"torch-cuda-{mode}" for mode in (*TORCH, "graphs")]


class Tools:
    """The programs behind the names, built or installed when first wanted."""

    def __init__(self, args):
        self.build = not args.no_build
        given = {"python": args.python, "frit": args.frit, "burn": args.burn}
        self.found = {name: path for name, path in given.items() if path}

    def command(self, name):
        kind, _, mode = name.partition("-")
        if kind == "frit":
            return [self.once("frit", self.frit), "--device", mode]
        if kind == "burn":
            return [self.once("burn", self.burn), mode]
        if kind == "jax":
            return [self.python(), HERE / "jax_engine.py", mode]
        device, mode = ("cuda", mode.removeprefix("cuda-")) if mode.startswith("cuda-") else ("cpu", mode)
        return [self.python(), HERE / "torch_engine.py", mode, "--device", device]

    def once(self, name, make):
        if name not in self.found:
            self.found[name] = make()
        return self.found[name]

    def python(self):
        return self.once("python", self.venv)

    def venv(self):
        """An environment with exactly requirements.txt."""
        folder, wanted = HERE / ".venv", HERE / "requirements.txt"
        python, stamp = folder / "bin" / "python", folder / "installed"
        if not stamp.exists() or stamp.stat().st_mtime < wanted.stat().st_mtime:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
            stamp.touch()
        return python

    def frit(self):
        command = ["cargo", "bench", "--quiet", "--no-run", "--bench", "peer", "--message-format", "json"]
        output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        messages = [json.loads(line) for line in output.splitlines()]
        return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "peer")

    def burn(self):
        target = BURN / "target"
        if self.build:
            command = ["cargo", "build", "--release", "--locked", "--target-dir", target]
            subprocess.run(command, cwd=BURN, check=True)
        program = target / "release" / "frit-peer-burn"
        if not program.exists():
            raise FileNotFoundError(f"{program.relative_to(ROOT)} is not there; leave --no-build out")
        return program

    def has_cuda(self):
        probe = [self.python(), "-c", "import torch; raise SystemExit(not torch.cuda.is_available())"]
        return subprocess.run(probe, capture_output=True).returncode == 0


class Died(Exception):
    """An engine ended, or took longer than anyone waits."""


class Process:
    """One running engine."""

    def __init__(self, command, seconds, cache):
        self.started = time.perf_counter()
        self.errors = tempfile.TemporaryFile("w+")
        places = {name: str(Path(cache) / name.lower()) for name in CACHES}
        # Outside any project, so that Burn keeps its caches where XDG_CACHE_HOME says.
        self.child = subprocess.Popen(
            [*map(str, command), "--seconds", str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.errors, text=True, cwd=tempfile.gettempdir(),
            env={"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ, **places})
        self.answers = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.child.stdout:
            self.answers.put(line)
        self.answers.put(None)

    def ask(self, name, patience):
        try:
            self.child.stdin.write(name + "\n")
            self.child.stdin.flush()
            line = self.answers.get(timeout=patience)
        except (BrokenPipeError, queue.Empty):
            line = None
        if line is None:
            raise Died(self.last_words(patience))
        return json.loads(line)

    def last_words(self, patience):
        try:
            code = self.child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return f"no answer in {patience:.0f} s"
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors.read().splitlines() if line.strip()]
        return f"{how}: {lines[-1]}" if lines else how

    def close(self):
        self.child.kill()
        self.child.wait()
        # The remaining requests have nowhere to go.
        with contextlib.suppress(BrokenPipeError):
            self.child.stdin.close()
        self.errors.close()


def first_step(command, workload, patience):
    """Seconds from the start of a process to the end of its first step: without anything kept, and again."""
    cache = tempfile.mkdtemp(prefix="frit-peers-")
    answers = {}
    try:
        for name in ("cold", "kept"):
            process = Process(command, 0, cache)
            try:
                answer = process.ask(workload, patience)
                took = time.perf_counter() - process.started
            except Died as death:
                answer = {"error": str(death)}
            finally:
                process.close()
            if "error" in answer:
                return {"workload": workload, "error": answer["error"], **answers}
            answers[name] = took
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    return {"workload": workload, **answers}
