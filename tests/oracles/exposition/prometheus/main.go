// Reads {"format","input"} lines on stdin, and writes what the parser of Prometheus makes of each.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

type row struct {
	Format string `json:"format"`
	Input  string `json:"input"`
}

type answer struct {
	Accepted bool    `json:"accepted"`
	Error    string  `json:"error,omitempty"`
	Samples  [][]any `json:"samples"`
}

var types = map[string]string{"prom": "text/plain", "om": "application/openmetrics-text"}

func parse(r row) (a answer) {
	a.Samples = [][]any{}
	defer func() {
		if p := recover(); p != nil {
			a.Accepted, a.Error = false, fmt.Sprint("panic: ", p)
		}
	}()
	p, err := textparse.New([]byte(r.Input), types[r.Format], labels.NewSymbolTable(), textparse.ParserOptions{})
	if err != nil {
		a.Error = err.Error()
		return
	}
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			a.Accepted = true
			return
		}
		if err != nil {
			a.Error = err.Error()
			return
		}
		if entry != textparse.EntrySeries {
			continue
		}
		raw, ts, value := p.Series()
		var lset labels.Labels
		p.Labels(&lset)
		// what the store refuses fails the scrape too
		if !lset.Has(labels.MetricName) || !lset.IsValid(model.UTF8Validation) {
			a.Error = "no valid metric or label name"
			return
		}
		if name, dup := lset.HasDuplicateLabelNames(); dup {
			a.Error = "duplicate label " + name
			return
		}
		pairs := map[string]string{}
		lset.Range(func(l labels.Label) { pairs[l.Name] = l.Value })
		sample := []any{string(raw), pairs, strconv.FormatFloat(value, 'g', -1, 64), nil}
		if ts != nil {
			sample[3] = *ts
		}
		a.Samples = append(a.Samples, sample)
	}
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var r row
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			panic(err)
		}
		b, _ := json.Marshal(parse(r))
		out.Write(append(b, '\n'))
	}
}
