"""Prints, as a table of Markdown, how far our rates and those of Prometheus are from the truth.

    table.py HISTORIES ANSWERS

HISTORIES are the lines that tests/truth writes, ANSWERS those of the program in prometheus/ for them. A truth is a range:
what scrapes could show, and all that was counted; for several processes it is what one of them counted. There are
several truths where a window is stated in whole seconds, and where there are several processes: the nearest counts.
"""

import json
import sys

TENTH = 0.1
RESOLUTION = 0.001
# An error is a part of the truth, or of this a second where the truth is less.
LEAST = 1.0


def error(value, truths):
    """How far a value is from the nearest truth, as a part of it; 0 within a range."""
    return min(error_of_range(value, truth[0], truth[-1]) for truth in truths)


def error_of_range(value, least, most):
    least, most = min(least, most), max(least, most)
    if least - RESOLUTION <= value <= most + RESOLUTION:
        return 0.0
    nearest = least if value < least else most
    return abs(value - nearest) / max(nearest, LEAST)


def column(errors, reads):
    if not errors:
        return "never", "–", "–"
    right = sum(error <= TENTH for error in errors)
    return percent(len(errors), reads), percent(right, len(errors)), worst(max(errors))


def percent(part, whole):
    share = 100 * part / whole
    return "100 %" if part == whole else f"{min(share, 99.9):.1f} %"


def worst(error):
    if error < 10:
        return f"{100 * error:.0f} %"
    digits = f"{error:,.0f}".replace(",", " ")
    return f"{digits} times"


def main(histories, answers):
    kinds = {}
    with open(histories, encoding="utf-8") as lines, open(answers, encoding="utf-8") as answered:
        for line, answer in zip(lines, answered, strict=True):
            history = json.loads(line)
            ours, theirs, reads = kinds.setdefault(history["kind"], ([], [], [0]))
            for read, rate in zip(history["reads"], json.loads(answer), strict=True):
                reads[0] += 1
                if read["ours"] is not None:
                    ours.append(error(read["ours"], read["truths"]))
                if rate is not None:
                    theirs.append(error(rate, read["truths of the range"]))
    print("| history | reads | adapter: answered | within 10 % | worst error | `rate()`: answered | within 10 % | worst error |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, (ours, theirs, (reads,)) in kinds.items():
        print(f"| {kind} | {reads} | " + " | ".join(column(ours, reads) + column(theirs, reads)) + " |")


main(*sys.argv[1:])
