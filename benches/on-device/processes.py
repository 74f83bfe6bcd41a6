"""One program under a limit: with all that it starts, it ends when its time is up."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass

GRACE = 3  # seconds between being asked to end and being killed


@dataclass
class Outcome:
    """`code` is None where the time was up, or where someone stopped the run."""

    code: int | None
    seconds: float
    stdout: str
    stderr: str
    stopped: bool = False


def run(command, limit, env, folder):
    """What a program says goes into two files of `folder`, so that it is there whatever happens to the program."""
    start, stopped = time.monotonic(), False
    out, err = folder / "stdout", folder / "stderr"
    with open(out, "wb") as stdout, open(err, "wb") as stderr:
        try:
            child = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                     env=env, cwd=folder, start_new_session=True)
        except OSError as error:
            return Outcome(127, 0.0, "", str(error))
        try:
            code = child.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        except KeyboardInterrupt:
            code, stopped = None, True
        finally:
            end(child)
    read = lambda path: path.read_text(errors="replace")
    return Outcome(code, time.monotonic() - start, read(out), read(err), stopped)


def end(child):
    """Ends the program's whole group, first by a request."""
    for sign, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        try:
            os.killpg(child.pid, sign)
        except ProcessLookupError:
            break
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            continue
