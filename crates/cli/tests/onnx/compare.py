"""Run ONNX files with onnxruntime and compare their outputs with those of frit.

usage: compare.py CASES.json

A case has a file, and inputs and outputs by name, each with its shape and numbers; images are [batch, h, w, c] there and
[batch, c, h, w] in the file. Prints the largest difference of each case.
"""

import json
import pathlib
import sys

import numpy
import onnxruntime

CLOSE = 1e-5


def array(tensor):
    """The tensor as the file has it."""
    kind = numpy.int64 if tensor["integers"] else numpy.float32
    values = numpy.array(tensor["values"], kind).reshape(tensor["shape"])
    return values.transpose(0, 3, 1, 2) if values.ndim == 4 else values


def checked(path):
    """Checks the file by ONNX's own rules where the package is there."""
    try:
        import onnx
    except ImportError:
        return "not checked"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return "checked"


def main():
    cases = pathlib.Path(sys.argv[1])
    failed = False
    for case in json.loads(cases.read_text()):
        path = str(cases.parent / case["file"])
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        inputs = {name: array(tensor) for name, tensor in case["inputs"].items()}
        expected = {name: array(tensor) for name, tensor in case["outputs"].items()}
        names = list(expected)
        found = dict(zip(names, session.run(names, inputs)))
        # A batch of one gives the first row.
        first = dict(zip(names, session.run(names, {name: values[:1] for name, values in inputs.items()})))
        most = 0.0
        for name in names:
            if found[name].shape != expected[name].shape:
                sys.exit(f"{path}: {name} is {found[name].shape}, not {expected[name].shape}")
            most = max(most, numpy.abs(found[name] - expected[name]).max())
            most = max(most, numpy.abs(first[name] - expected[name][:1]).max())
        print(f"{case['file']}: at most {most:.1e} apart, {checked(path)}")
        failed |= not most < CLOSE
    sys.exit(1 if failed else 0)


main()
