"""Writes the exposition corpus: one JSON object a line, {"format": "prom"|"om", "input": text}.

Three sources: each place of a line varied alone around a plain one; what the Python client library writes for
generated registries; and byte edits of both. The seed is fixed, so that the corpus only changes when this file does.
"""

import json
import random
import sys
import time

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

# the library puts the time into _created series
time.time = lambda: 1520430000.123

RANDOM = random.Random(20261124)

NAMES = ["a", "a:b", ":a", "_", "a_total", "A9", "9a", "a.b", "a-b", "é", "a b", "", "a\u00a0", "a1", "__name__"]
LABEL_SETS = [
    "", "{}", "{ }", '{x="1"}', '{x="1",}', '{x="1",y="2"}', '{x="1" , y="2"}', '{ x="1" }', '{x ="1"}', '{x= "1"}',
    '{x="1" y="2"}', '{x="1"y="2"}', "{,}", '{,x="1"}', '{x="1",,y="2"}', '{x="1",,}', "{x=1}", "{x='1'}", "{x}", "{x=}",
    '{="1"}', '{x"1"}', '{x="1"', '{x="1}', "{", "}", '{x="1"}}', '{{x="1"}', '{x=="1"}', '{9x="1"}', '{x:y="1"}',
    '{x.y="1"}', '{é="1"}', '{x="é"}', '{x=""}', '{x="",y="1"}', '{x="1",x="2"}', '{x="1",x="1"}', '{__name__="b"}',
    '{x="}"}', '{x="{"}', '{x=","}', '{x="="}', '{x="#"}', '{x=" "}', '{x="a b"}', '{x="\t"}', '{x="\\\\"}', '{x="\\""}',
    '{x="\\n"}', '{x="\\t"}', '{x="\\q"}', '{x="\\"}', '{x="\\\\\\""}', '{x="a\\nb"}', '{x="a\nb"}', '{x="\\\nb"}',
    '{x="\r"}', '{x="\x00"}', '{"x"="1"}', '{"x.y"="1"}', '{"x y"="1","z"="2"}', '{"x\\"y"="1"}', '{""="1"}', '{"b"}',
    '{"b",x="1"}', '{x="1","b"}', '{x="1"}{y="2"}', '{x="1"}#', '{x="1";y="2"}', '{X_9="1"}', '{_="1"}', '{x="1",y}',
    "{x='1\"}", '{x="1"\n,y="2"}', '{x\t=\t"1"\t,\ty="2"\t}', "{" + ",".join(f'l{i}="{i}"' for i in range(20)) + "}",
    "{" + ",".join(f'l{i}="{i}"' for i in range(20)) + ',l7="x"}',
]
BRACED = [
    '{"a"}', '{"a.b"}', '{"a.b",}', '{"a.b",x="1"}', '{"a.b","x.y"="1"}', '{x="1","a.b"}', '{"a.b","c"}', '{"a.b",,}', '{""}',
    '{"a\\"b"}', '{"a\\\\b"}', '{"a\\nb"}', '{"a b"}', '{ "a.b" }', '{ "a.b" , x="1" }', '{"a.b" x="1"}', '{x="1"}', "{}",
    '{"é"}', '{"a.b"', '{"a.b}', '"a.b"', '"a.b"{}', "{a}", "{a.b}", "{'a'}", '{"a"="b"}', '{"a.b"}{x="1"}', '{x="1" "a.b"}',
]
VALUES = [
    "0", "1", "-1", "+1", "-0", "00012", "12345678901234567890", "9007199254740993", "1.5", "-1.5", ".5", "5.", ".", "1.2.3",
    "1e3", "1E3", "1e+3", "1e-3", "1e", "e1", "1e1.5", "1e400", "-1e400", "1e-400", "4.9e-324", "1.7976931348623157e308",
    "1.7976931348623159e308", "0.1", "0.30000000000000004", "123456.789", "1e22", "1e23", "NaN", "nan", "NAN", "+NaN", "-NaN",
    "Inf", "inf", "+Inf", "-Inf", "+inf", "Infinity", "-infinity", "INF", "infinit", "Infi", "0x1F", "0x1p-2", "1_000", "1,5",
    "1d", "1f", "1L", "--1", "+-1", "- 1", "true", "null", "", '"1"', "1%", "1a", "①", "1\u00a0", "1\x00",
    "0." + "3" * 400, "1" + "0" * 308, "1" + "0" * 309, "9" * 25, "0.000000000000000000000000000001",
]
TIMESTAMPS = [
    "0", "1", "1395066363000", "1395066363", "1395066363.123", "1395066363.9999", "1.5", ".5", "5.", "-5", "+5", "-0", "1e3",
    "9223372036854775807", "9223372036854775808", "99999999999999999999", "NaN", "Inf", "x", "1x", "1 2", "1 #", "0x10", "1_0",
    "00012", "1,5", "1\t", "1 ", " 1", "\t1",
]
TAILS = [
    "", " ", "  ", "\t", "\r", " \r", " #", " # comment", " # {}", ' # {x="1"} 2', ' # {x="1"} 2 3', ' # {x="1"} 2 3.5',
    ' # {x="1"}', ' # {x="1"} ', ' # {x="1"} x', ' # {x="1"} 2 NaN', ' # {x="1"} 2 3 4', ' #{x="1"} 2', ' #  {x="1"} 2',
    ' # {x="1",} 2', ' # {"x.y"="1"} 2', ' # {"name"} 2', ' # {x="1"} 1e400', " # {} 2", ' # {x="1"y="2"} 2', " st@1", " 1 st@1",
]
COMMENTS = [
    "#", "# ", "#x", "# x", "#TYPE a counter", "# TYPE", "# TYPE ", "# TYPE a", "# TYPE a ", "# TYPE a counter", "# TYPE a gauge",
    "# TYPE a histogram", "# TYPE a summary", "# TYPE a untyped", "# TYPE a unknown", "# TYPE a info", "# TYPE a stateset",
    "# TYPE a gaugehistogram", "# TYPE a Counter", "# TYPE a counter ", "# TYPE a  counter", "# TYPE  a counter",
    "#  TYPE a counter", "#\tTYPE\ta\tcounter", "# TYPE a\tcounter", "# TYPE a counter x", "# TYPE 9a counter", "# TYPE a.b counter",
    '# TYPE "a.b" counter', '# TYPE "a.b counter', '# TYPE "" counter', "# TYPE é counter", "# HELP", "# HELP ", "# HELP a",
    "# HELP a ", "# HELP a text", "# HELP a  text ", "# HELP a é", '# HELP "a.b" text', "# HELP a.b text", "# HELP 9a text",
    "# HELP a \\\\ \\n \\\" \\q", "# HELPER a text", "# help a text", "# UNIT", "# UNIT a", "# UNIT a ", "# UNIT a seconds",
    "# UNIT a_seconds seconds", "# UNIT aseconds seconds", "# UNIT a_seconds second", "# EOF", "# EOF ", "#EOF", "# eof", "# EOF x",
    "  # TYPE a counter", "\t# x", "# TYPE a counter\r", "\x00", "\x00a 1", "!!!", "<html>", "a", "a ", " a 1", "\ta 1", "a\t1",
    "a  1", " ", "\t", "", "\r", "a 1\n\na 2", "a 1\na 2", 'a{x="1",y="2"} 1\na{y="2",x="1"} 2', "a 1\r\nb 2\r",
]
FAMILIES = [
    '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="1.0"} 2\nh_bucket{le="+Inf"} 3\nh_sum 1\nh_count 3',
    '# TYPE h histogram\nh_bucket{le="1e6"} 1\nh_bucket{le="0.00001"} 1\nh_bucket{le="inf"} 3\nh_bucket{le="x"} 3',
    '# TYPE s summary\ns{quantile="0.5"} 1\ns{quantile="0.90"} 2\ns_sum 3\ns_count 4',
    '# TYPE s summary\ns{quantile="1"} 1\ns{quantile="NaN"} NaN',
    '# TYPE g gaugehistogram\ng_bucket{le="1"} 1\ng_bucket{le="+Inf"} 3\ng_gsum 1\ng_gcount 3',
    '# TYPE c counter\nc_total 1\nc_created 1520430000.123', "# TYPE c counter\nc 1",
    '# TYPE i info\ni_info{version="1"} 1', '# TYPE e stateset\ne{e="on"} 1\ne{e="off"} 0',
    '# HELP a first\n# TYPE a counter\na_total{x="1"} 1\n# HELP b second\n# TYPE b gauge\nb 2\na_total{x="2"} 3',
    "# TYPE a counter\n# TYPE a gauge\na 1", "a_total 1\n# TYPE a counter", "# HELP a x\n# HELP a y\na 1",
]
LABEL_VALUES = ["GET", "", "a b", 'q"uote', "back\\slash", "new\nline", "é", "{}", ",", "=", "#", "0.5", "/v1/{id}", "\t", "日本"]


def bodies(line):
    """The line alone, and between good ones."""
    yield line + "\n"
    yield "first 1\n" + line + "\nlast{x=\"y\"} 2\n"


def varied():
    lines = [f"{name} 1" for name in NAMES]
    lines += [f"a{labels} 1" for labels in LABEL_SETS] + [f"{braced} 1" for braced in BRACED]
    lines += [f"a{labels}1" for labels in ['{x="1"}', "", "{}", " "]] + [f'a {labels} 1' for labels in ['{x="1"}', "{}"]]
    lines += [f"a {value}" for value in VALUES] + [f'a{{x="1"}} {value} 7' for value in VALUES[:12]]
    lines += [f"a 1 {timestamp}" for timestamp in TIMESTAMPS]
    lines += [f"a_total 1{tail}" for tail in TAILS] + [f'a_bucket{{le="1"}} 1 5{tail}' for tail in TAILS]
    lines += ["a.5", "a+1", "a-1 2", "a\"1\"", '{"a\nb"} 1', 'a{"x\ny"="1"} 1', " \x00a 1", "# HELP a=b text", "# TYPE s summary\nt{quantile=\"1\"} 1"]
    lines += COMMENTS + FAMILIES
    return lines


def label_values(number):
    return [RANDOM.choice(LABEL_VALUES) for _ in range(number)]


def registry():
    """A registry with some metrics of each type that the client library knows."""
    made = CollectorRegistry()
    names = [f"{RANDOM.choice(['http', 'app', 'db', 'q'])}_{RANDOM.choice(['x', 'y', 'z'])}{i}" for i in range(4)]
    for name in names:
        labels = RANDOM.sample(["method", "code", "le2", "_x", "Path"], RANDOM.randint(0, 3))
        kind = RANDOM.choice([Counter, Gauge, Histogram, Summary, Info, Enum])
        extra = {"states": ["on", "off"]} if kind is Enum else {}
        if kind is Histogram:
            extra = {"buckets": sorted({RANDOM.choice([0.005, 0.1, 1, 2.5, 10, 1e6]) for _ in range(3)})}
        metric = kind(name, RANDOM.choice(["plain", "back\\slash", "new\nline", 'quo"te']), labels, registry=made, **extra)
        for _ in range(RANDOM.randint(1, 2) if labels else 1):
            child = metric.labels(*label_values(len(labels))) if labels else metric
            touch(child, kind)
    return made


def touch(child, kind):
    amount = RANDOM.choice([0, 1, 2.5, 1e6, 1e-7, 123456789.25, float("inf")])
    if kind is Counter:
        child.inc(amount)
    elif kind is Gauge:
        child.set(RANDOM.choice([amount, -amount, float("nan")]))
    elif kind is Info:
        child.info({"version": RANDOM.choice(LABEL_VALUES)})
    elif kind is Enum:
        child.state("off")
    else:
        child.observe(RANDOM.choice([0, 0.05, 3, 1e7]))


def edited(text):
    """One to three edits, of the kind that finds the edges of a grammar."""
    characters = list(text)
    for _ in range(RANDOM.randint(1, 3)):
        at = RANDOM.randrange(len(characters)) if characters else 0
        edit = RANDOM.randrange(4)
        if edit == 0 and characters:
            del characters[at]
        elif edit == 1:
            characters.insert(at, RANDOM.choice(list('{}",=#\\ \n\t\r:._019eaé-+N')))
        elif edit == 2 and characters:
            characters[at] = RANDOM.choice(list('{}",=#\\ \n\t:._019ea-+'))
        elif characters:
            characters.insert(at, characters[RANDOM.randrange(len(characters))])
    return "".join(characters)


def close(body):
    """An OpenMetrics body ends with its marker; a few lack it on purpose, by way of the edits."""
    return body if body.endswith("# EOF\n") else body + "# EOF\n"


def main():
    seen = set()

    def write(form, text):
        if (form, text) not in seen:
            seen.add((form, text))
            print(json.dumps({"format": form, "input": text}, ensure_ascii=False))

    lines = varied()
    for line in lines:
        for body in bodies(line):
            write("prom", body)
            write("om", close(body))
    write("prom", "")
    write("om", "")
    clients = [registry() for _ in range(40)]
    for made in clients:
        write("prom", generate_latest(made).decode())
        write("om", generate_openmetrics(made).decode())
    for _ in range(300):
        line = RANDOM.choice(lines + FAMILIES * 4)
        write("prom", edited(line + "\n"))
        write("om", edited(close(line + "\n")))


main()
sys.stdout.flush()
