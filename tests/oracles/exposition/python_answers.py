"""Reads corpus lines on stdin, and writes what the parsers of the Python client library make of each."""

import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

PARSERS = {"prom": parse_text, "om": parse_openmetrics}


def answer(row):
    samples = []
    try:
        for family in PARSERS[row["format"]](row["input"]):
            for sample in family.samples:
                timestamp = None if sample.timestamp is None else float(sample.timestamp)
                samples.append([sample.name, dict(sample.labels), repr(float(sample.value)), timestamp])
    except Exception as error:  # whatever it is, it is a refusal
        return {"accepted": False, "error": f"{type(error).__name__}: {error}"[:120], "samples": []}
    return {"accepted": True, "samples": samples}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), ensure_ascii=False))
