#!/usr/bin/env bash
# Records tests/vectors/exposition-corpus.jsonl anew: the corpus, and what the parsers of Prometheus (Go) and of the
# Python client library make of it. Needs python3 and go, and fetches both libraries, pinned. `cargo test` does not
# need it: the answers are in the repository.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check prometheus_client==0.26.0
(cd "$here/prometheus" && CGO_ENABLED=0 go build -mod=readonly -trimpath -o "$work/prometheus" .)
export PYTHONHASHSEED=0
"$work/venv/bin/python" "$here/corpus.py" > "$work/corpus"
"$work/prometheus" < "$work/corpus" > "$work/go"
"$work/venv/bin/python" "$here/python_answers.py" < "$work/corpus" > "$work/python"
"$work/venv/bin/python" "$here/merge.py" "$work/corpus" "$work/go" "$work/python" > "$here/../../vectors/exposition-corpus.jsonl"
