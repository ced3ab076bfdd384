// Evaluates rate() of Prometheus on counters and prints its answers.
//
// Input, one JSON object a line: {"W": seconds, "eval": [seconds, ...], "s": [[seconds, value], ...]}. A value is null
// where a good scrape had no such series: Prometheus marks the series stale there. Output, one line for each: what
// `rate(x[W])` answers at each moment of eval; null is no result.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

type counter struct {
	Window  float64       `json:"W"`
	Eval    []float64     `json:"eval"`
	Samples [][2]*float64 `json:"s"`
}

// sample is a float as the engine reads it.
type sample struct {
	t int64
	v float64
}

func (s sample) ST() int64                     { return 0 }
func (s sample) T() int64                      { return s.t }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// one is a storage that holds one series.
type one struct{ samples []chunks.Sample }

func (o one) Querier(mint, maxt int64) (storage.Querier, error) { return o, nil }
func (o one) Select(context.Context, bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
	series := storage.NewListSeries(labels.FromStrings("__name__", "x"), o.samples)
	return &set{series: series}
}
func (o one) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}
func (o one) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}
func (o one) Close() error { return nil }

// set has its one series once.
type set struct {
	series storage.Series
	passed bool
}

func (s *set) Next() bool {
	was := s.passed
	s.passed = true
	return !was
}
func (s *set) At() storage.Series                { return s.series }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

func main() {
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute})
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for decoder := json.NewDecoder(in); decoder.More(); {
		var c counter
		check(decoder.Decode(&c))
		line, err := json.Marshal(answers(engine, c))
		check(err)
		fmt.Fprintln(out, string(line))
	}
}

func answers(engine *promql.Engine, c counter) []*float64 {
	stored := one{}
	for _, s := range c.Samples {
		v := math.Float64frombits(value.StaleNaN)
		if s[1] != nil {
			v = *s[1]
		}
		stored.samples = append(stored.samples, sample{millis(*s[0]), v})
	}
	sort.SliceStable(stored.samples, func(a, b int) bool { return stored.samples[a].T() < stored.samples[b].T() })
	query := fmt.Sprintf("rate(x[%dms])", millis(c.Window))
	found := make([]*float64, len(c.Eval))
	for i, at := range c.Eval {
		q, err := engine.NewInstantQuery(context.Background(), stored, nil, query, time.UnixMilli(millis(at)))
		check(err)
		vector, err := q.Exec(context.Background()).Vector()
		check(err)
		if len(vector) == 1 {
			found[i] = &vector[0].F
		}
		q.Close()
	}
	return found
}

// The engine counts in milliseconds.
func millis(seconds float64) int64 { return int64(math.Round(seconds * 1000)) }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
