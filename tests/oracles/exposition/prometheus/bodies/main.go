// Writes one set of metric families in the three formats, as the Go client library writes them:
//
//	bodies synthetic DIR                 what no real target at hand has: start times, exemplars, UTF-8 names, native histograms
//	bodies NAME DIR MAX < body.protobuf  a real body, cut to MAX bytes of protobuf, at most two metrics a family
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func main() {
	var families []*dto.MetricFamily
	if os.Args[1] == "synthetic" {
		families = synthetic()
	} else {
		families = real(os.Args[3])
	}
	for extension, format := range map[string]expfmt.Format{
		"protobuf":    expfmt.NewFormat(expfmt.TypeProtoDelim).WithEscapingScheme(model.NoEscaping),
		"txt":         expfmt.NewFormat(expfmt.TypeTextPlain).WithEscapingScheme(model.NoEscaping),
		"openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
	} {
		file, err := os.Create(filepath.Join(os.Args[2], os.Args[1]+"."+extension))
		check(err)
		encoder := expfmt.NewEncoder(file, format, expfmt.WithCreatedLines())
		for _, family := range families {
			check(encoder.Encode(family))
		}
		if closer, ok := encoder.(expfmt.Closer); ok {
			check(closer.Close())
		}
		check(file.Close())
	}
}

func real(limit string) (families []*dto.MetricFamily) {
	most, err := strconv.Atoi(limit)
	check(err)
	decoder := expfmt.NewDecoder(os.Stdin, expfmt.NewFormat(expfmt.TypeProtoDelim))
	size := 0
	for {
		family := &dto.MetricFamily{}
		err := decoder.Decode(family)
		if errors.Is(err, io.EOF) {
			return families
		}
		check(err)
		family.Metric = family.Metric[:min(2, len(family.Metric))]
		if size+proto.Size(family) > most {
			continue
		}
		size += proto.Size(family)
		families = append(families, family)
	}
}

func synthetic() []*dto.MetricFamily {
	start := timestamppb.New(time.UnixMilli(1520430000123))
	label := func(name, value string) []*dto.LabelPair {
		return []*dto.LabelPair{{Name: &name, Value: &value}}
	}
	float := func(value float64) *float64 { return &value }
	count := func(value uint64) *uint64 { return &value }
	family := func(name string, kind dto.MetricType, metrics ...*dto.Metric) *dto.MetricFamily {
		help := fmt.Sprintf("about %s, \"quoted\" \\ and\nbroken", name)
		return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: metrics}
	}
	exemplar := &dto.Exemplar{Label: label("trace_id", "abc"), Value: float(0.3), Timestamp: start}
	buckets := []*dto.Bucket{
		{CumulativeCount: count(1), UpperBound: float(0.005)},
		{CumulativeCount: count(2), UpperBound: float(1), Exemplar: exemplar},
		{CumulativeCount: count(3), UpperBound: float(1e6)},
	}
	schema, zero := int32(3), 1e-128
	return []*dto.MetricFamily{
		family("requests_total", dto.MetricType_COUNTER,
			&dto.Metric{Label: label("method", "GET"), Counter: &dto.Counter{Value: float(42), CreatedTimestamp: start, Exemplar: exemplar}},
			&dto.Metric{Label: label("method", "\"\\\n{},= é"), Counter: &dto.Counter{Value: float(1e21), CreatedTimestamp: start}}),
		family("http.server.duration", dto.MetricType_GAUGE, &dto.Metric{Label: label("http.route", "/"), Gauge: &dto.Gauge{Value: float(-0.5)}}),
		family("odd_values", dto.MetricType_GAUGE,
			&dto.Metric{Label: label("v", "nan"), Gauge: &dto.Gauge{Value: float(math.NaN())}},
			&dto.Metric{Label: label("v", "inf"), Gauge: &dto.Gauge{Value: float(math.Inf(1))}},
			&dto.Metric{Label: label("v", "-inf"), Gauge: &dto.Gauge{Value: float(math.Inf(-1))}},
			&dto.Metric{Label: label("v", "tiny"), Gauge: &dto.Gauge{Value: float(5e-324)}}),
		family("dated", dto.MetricType_UNTYPED, &dto.Metric{Untyped: &dto.Untyped{Value: float(7)}, TimestampMs: proto.Int64(1520430000123)}),
		family("latency_seconds", dto.MetricType_HISTOGRAM, &dto.Metric{Label: label("method", "GET"), Histogram: &dto.Histogram{
			SampleCount: count(4), SampleSum: float(2.5), Bucket: buckets, CreatedTimestamp: start}}),
		family("size_bytes", dto.MetricType_SUMMARY, &dto.Metric{Summary: &dto.Summary{
			SampleCount: count(4), SampleSum: float(2.5), CreatedTimestamp: start, Quantile: []*dto.Quantile{
				{Quantile: float(0.5), Value: float(1)}, {Quantile: float(1), Value: float(math.NaN())}}}}),
		family("both_seconds", dto.MetricType_HISTOGRAM, &dto.Metric{Histogram: &dto.Histogram{
			SampleCount: count(4), SampleSum: float(2.5), Bucket: buckets, Schema: &schema, ZeroThreshold: &zero,
			PositiveSpan: []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(2)}}, PositiveDelta: []int64{1, 2}}}),
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
