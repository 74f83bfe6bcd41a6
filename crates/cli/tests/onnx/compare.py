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
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    used = {name for node in model.graph.node for name in node.input} | {given.name for given in model.graph.output}
    unused = [node.name for node in model.graph.node if not used.intersection(node.output)]
    if unused:
        sys.exit(f"{path}: nothing uses {', '.join(unused)}")
    return "checked"


def apart(found, expected, names):
    """The largest difference of the values; not a number if one is none."""
    return numpy.max([numpy.max(numpy.abs(found[name] - expected[name])) for name in names])


def in_torch(path, inputs):
    """The outputs of PyTorch where onnx2torch is there, and a note of what came of it."""
    try:
        import onnx2torch
        import torch
    except ImportError:
        return None, "not imported into PyTorch"
    import onnx

    # Its slices index with lists, which PyTorch takes for a gather since.
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 9):
        return None, "not imported into PyTorch, which must be older than 2.9 for onnx2torch"
    graph = onnx.load(path).graph
    model = onnx2torch.convert(path)
    with torch.no_grad():
        outputs = model(*(torch.from_numpy(inputs[given.name].copy()) for given in graph.input))
    outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    return {given.name: output.numpy() for given, output in zip(graph.output, outputs)}, "PyTorch"


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
        for name in names:
            if found[name].shape != expected[name].shape:
                sys.exit(f"{path}: {name} is {found[name].shape}, not {expected[name].shape}")
        most = apart(found, expected, names)
        most = numpy.maximum(most, apart(first, {name: expected[name][:1] for name in names}, names))
        imported, note = in_torch(path, inputs)
        if imported is not None:
            difference = apart(imported, expected, names)
            note += f" at most {difference:.1e}"
            failed |= not difference < CLOSE
        print(f"{case['file']}: at most {most:.1e} apart, {checked(path)}, {note}")
        failed |= not most < CLOSE
    sys.exit(1 if failed else 0)


main()
