"""Counts sets of values, a JSON list of lists of texts in base64, each as two sketches
that are merged."""

import base64
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import pyarrow as pa

from tidemark_spark.sketch import Sketch

estimates = []
for values in json.load(sys.stdin):
    raw = pa.array([base64.b64decode(v) for v in values or []], pa.binary())
    middle = len(raw) // 3
    one, two, both = Sketch(), Sketch(), Sketch()
    one.insert(raw[: middle + 10])
    for at in range(middle, len(raw), 1000):
        two.insert(raw[at : at + 1000])
    for sketch in (one, two):
        both.merge(sketch.state())
    estimates.append(both.estimate())
print(json.dumps(estimates))
