"""Writes what rate() of Prometheus answers to the cases of a vectors file into that file.

    vectors.py RATES.JSON PROGRAM
"""

import json
import subprocess
import sys


def asked(case):
    lacked = [[at, None] for at in case.get("lacked", [])]
    samples = [sample[:2] for sample in case["s"]] + lacked
    return json.dumps({"W": case["W"], "eval": [case["eval"]], "s": sorted(samples, key=lambda sample: sample[0])})


def main(path, program):
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    lines = "\n".join(map(asked, vectors["cases"]))
    answers = subprocess.run([program], input=lines, capture_output=True, check=True, text=True).stdout.splitlines()
    for case, answer in zip(vectors["cases"], answers, strict=True):
        rate = json.loads(answer)[0]
        case["prom"] = rate if rate is None else round(rate, 9)
    parts = []
    for name, part in vectors.items():
        cases = ",\n".join(map(json.dumps, part)) if isinstance(part, list) else None
        parts.append(f'"{name}": ' + (f"[\n{cases}\n]" if cases else json.dumps(part)))
    with open(path, "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(parts) + "\n}\n")


main(*sys.argv[1:])
