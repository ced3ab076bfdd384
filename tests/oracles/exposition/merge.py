"""Joins the corpus and the answers of both parsers: merge.py corpus prometheus python > exposition-corpus.jsonl

One object a line: {"format", "input", "prometheus", "python"}. An answer is null for a refusal, else its samples,
each [raw series text or null, labels with __name__, value, timestamp in ms or null]. The answer of Python is "=" where
it says the same as Prometheus.
"""

import json
import math
import sys


def prometheus(answer):
    return answer["samples"] if answer["accepted"] else None


def python(answer):
    if not answer["accepted"]:
        return None
    samples = []
    for name, labels, value, seconds in answer["samples"]:
        samples.append([None, {**labels, "__name__": name}, value, milliseconds(seconds)])
    return samples


def milliseconds(seconds):
    if seconds is None or not math.isfinite(seconds):
        return seconds and str(seconds)
    return math.trunc(round(seconds * 1000, 3))


def comparable(samples):
    if samples is None:
        return None
    return [[{k: v for k, v in s[1].items() if v}, str(float(s[2])), s[3]] for s in samples]


def main():
    rows, goes, pythons = (map(json.loads, open(path, encoding="utf-8")) for path in sys.argv[1:4])
    for row, go, py in zip(rows, goes, pythons, strict=True):
        row["prometheus"], row["python"] = prometheus(go), python(py)
        if comparable(row["python"]) == comparable(row["prometheus"]):
            row["python"] = "="
        print(json.dumps(row, ensure_ascii=False, separators=(",", ":")))


main()
