// Package podautoscaler: what the HPA controller makes of generated HPAs, pods and values. record.sh copies the controller's
// own package beside this file, so that its unexported parts can be called.
package podautoscaler

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	corelisters "k8s.io/client-go/listers/core/v1"
	scalefake "k8s.io/client-go/scale/fake"
	core "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	metricsclient "k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/monitor"
	"k8s.io/kubernetes/pkg/controller/util/selectors"
	"k8s.io/kubernetes/pkg/controller/util/consistency"
)

const namespace, key = "shop", "shop/web"

// Pod is one pod of the scale target.
type Pod struct {
	Name         string `json:"name"`
	Phase        string `json:"phase"`
	Deleting     bool   `json:"deleting"`
	Ready        bool   `json:"ready"`
	Initializing bool   `json:"initializing"`
}

// Answer is what the metrics API has for one metric.
type Answer struct {
	Pods   map[string]int64 `json:"pods,omitempty"`
	Values []int64          `json:"values,omitempty"`
	Error  string           `json:"error,omitempty"`
}

// Recommendation and Change are what the controller remembers.
type Recommendation struct {
	Age      int32 `json:"age"`
	Replicas int32 `json:"replicas"`
}
type Change struct {
	Age    int32 `json:"age"`
	Change int32 `json:"change"`
}

// Case is one sync: all that goes in, and what comes out.
type Case struct {
	HPA            autoscaling.HorizontalPodAutoscaler `json:"hpa"`
	SpecReplicas   int32                               `json:"specReplicas"`
	StatusReplicas int32                               `json:"statusReplicas"`
	Pods           []Pod                               `json:"pods"`
	Answers        []Answer                            `json:"answers"`
	Recommended    []Recommendation                    `json:"recommended"`
	Ups            []Change                            `json:"ups"`
	Downs          []Change                            `json:"downs"`
	Replicas       int32                               `json:"replicas"`
	Reasons        map[string]string                   `json:"reasons"`
	Usages         []*int64                            `json:"usages"`
}

type answers struct{ c *Case }

func (a answers) of(name string) (Answer, error) {
	var n int
	if _, err := fmt.Sscanf(name, "m%d", &n); err != nil {
		n = 0
		for i, m := range a.c.HPA.Spec.Metrics {
			if m.Type == autoscaling.ResourceMetricSourceType {
				n = i
			}
		}
	}
	answer := a.c.Answers[n]
	if answer.Error != "" {
		return answer, fmt.Errorf("%s", answer.Error)
	}
	return answer, nil
}

func (a answers) pods(name string, at time.Time) (metricsclient.PodMetricsInfo, time.Time, error) {
	answer, err := a.of(name)
	if err != nil {
		return nil, at, err
	}
	info := metricsclient.PodMetricsInfo{}
	for pod, value := range answer.Pods {
		info[pod] = metricsclient.PodMetric{Timestamp: at, Window: time.Minute, Value: value}
	}
	return info, at, nil
}

func (a answers) GetResourceMetric(_ context.Context, r v1.ResourceName, _ string, _ labels.Selector, _ string) (metricsclient.PodMetricsInfo, time.Time, error) {
	return a.pods(string(r), time.Now())
}
func (a answers) GetRawMetric(name, _ string, _, _ labels.Selector) (metricsclient.PodMetricsInfo, time.Time, error) {
	return a.pods(name, time.Now())
}
func (a answers) GetObjectMetric(name, _ string, _ *autoscaling.CrossVersionObjectReference, _ labels.Selector) (int64, time.Time, error) {
	answer, err := a.of(name)
	if err != nil {
		return 0, time.Now(), err
	}
	return answer.Values[0], time.Now(), nil
}
func (a answers) GetExternalMetric(name, _ string, _ labels.Selector) ([]int64, time.Time, error) {
	answer, err := a.of(name)
	return answer.Values, time.Now(), err
}

func (p Pod) object() *v1.Pod {
	ready, start, turned := v1.ConditionFalse, time.Now().Add(-time.Hour), time.Now().Add(-50*time.Minute)
	if p.Ready {
		ready = v1.ConditionTrue
	}
	if p.Initializing {
		start, turned = time.Now().Add(-30*time.Second), time.Now().Add(-20*time.Second)
	}
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: p.Name, Labels: map[string]string{"app": "web"}},
		Status: v1.PodStatus{
			Phase:      v1.PodPhase(p.Phase),
			StartTime:  &metav1.Time{Time: start},
			Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: ready, LastTransitionTime: metav1.Time{Time: turned}}},
		},
	}
	if p.Deleting {
		pod.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	}
	return pod
}

// Sync has the controller reconcile the HPA once and notes what it did.
func (c *Case) Sync(ctx context.Context) {
	indexer := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, pod := range c.Pods {
		_ = indexer.Add(pod.object())
	}
	lister := corelisters.NewPodLister(indexer)
	client := fake.NewClientset(&c.HPA)
	c.Replicas = c.SpecReplicas
	scale := &scalefake.FakeScaleClient{}
	current := func() *autoscalingv1.Scale {
		return &autoscalingv1.Scale{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"},
			Spec:       autoscalingv1.ScaleSpec{Replicas: c.SpecReplicas},
			Status:     autoscalingv1.ScaleStatus{Replicas: c.StatusReplicas, Selector: "app=web"},
		}
	}
	scale.AddReactor("get", "deployments", func(core.Action) (bool, runtime.Object, error) { return true, current(), nil })
	scale.AddReactor("update", "deployments", func(action core.Action) (bool, runtime.Object, error) {
		c.Replicas = action.(core.UpdateAction).GetObject().(*autoscalingv1.Scale).Spec.Replicas
		return true, current(), nil
	})
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "apps", Version: "v1"}})
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	controller := &HorizontalController{
		scaleNamespacer:              scale,
		hpaNamespacer:                client.AutoscalingV2(),
		mapper:                       mapper,
		tolerance:                    0.1,
		replicaCalc:                  NewReplicaCalculator(answers{c}, lister, 2*time.Minute, 10*time.Second),
		eventRecorder:                &record.FakeRecorder{},
		downscaleStabilisationWindow: 5 * time.Minute,
		monitor:                      monitor.New(),
		podLister:                    lister,
		recommendations:              map[string][]timestampedRecommendation{},
		scaleUpEvents:                map[string][]timestampedScaleEvent{},
		scaleDownEvents:              map[string][]timestampedScaleEvent{},
		selectorTracker:              newHPASelectorStore(),
		consistencyStore:             consistency.NewNoopConsistencyStore(),
	}
	controller.selectorTracker.PutIfAbsent(namespace, selectors.Key{Name: "web", Namespace: namespace}, labels.Nothing())
	ago := func(age int32) time.Time { return time.Now().Add(-time.Duration(age) * time.Second) }
	for _, r := range c.Recommended {
		controller.recommendations[key] = append(controller.recommendations[key], timestampedRecommendation{r.Replicas, ago(r.Age)})
	}
	for _, e := range c.Ups {
		controller.scaleUpEvents[key] = append(controller.scaleUpEvents[key], timestampedScaleEvent{e.Change, ago(e.Age), false})
	}
	for _, e := range c.Downs {
		controller.scaleDownEvents[key] = append(controller.scaleDownEvents[key], timestampedScaleEvent{e.Change, ago(e.Age), false})
	}
	_ = controller.reconcileAutoscaler(ctx, &c.HPA, key)
	after, _ := client.AutoscalingV2().HorizontalPodAutoscalers(namespace).Get(ctx, "web", metav1.GetOptions{})
	c.Reasons = map[string]string{}
	for _, condition := range after.Status.Conditions {
		c.Reasons[string(condition.Type)] = condition.Reason
	}
	c.Usages = usages(after)
}

func usages(hpa *autoscaling.HorizontalPodAutoscaler) []*int64 {
	list := []*int64{}
	for _, status := range hpa.Status.CurrentMetrics {
		var value *autoscaling.MetricValueStatus
		switch {
		case status.Pods != nil:
			value = &status.Pods.Current
		case status.Object != nil:
			value = &status.Object.Current
		case status.External != nil:
			value = &status.External.Current
		case status.Resource != nil:
			value = &status.Resource.Current
		}
		var milli *int64
		if value != nil && value.AverageValue != nil {
			m := value.AverageValue.MilliValue()
			milli = &m
		} else if value != nil && value.Value != nil {
			m := value.Value.MilliValue()
			milli = &m
		}
		list = append(list, milli)
	}
	return list
}

// Generate makes up a case.
func Generate(r *rand.Rand) *Case {
	pick := func(of ...int64) int64 { return of[r.Intn(len(of))] }
	c := &Case{Recommended: []Recommendation{}, Ups: []Change{}, Downs: []Change{}}
	replicas := int32(r.Intn(12))
	minimum, maximum := int32(r.Intn(4)), int32(4+r.Intn(12))
	if r.Intn(5) > 0 {
		minimum, maximum = min(minimum, replicas), max(maximum, replicas)
	}
	c.SpecReplicas, c.StatusReplicas = replicas, replicas
	if r.Intn(8) == 0 {
		c.StatusReplicas = int32(r.Intn(12))
	}
	c.HPA = autoscaling.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web", UID: "u"},
		Spec: autoscaling.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MinReplicas:    &minimum, MaxReplicas: maximum,
		},
	}
	if replicas == 0 && r.Intn(4) > 0 {
		c.HPA.Status.Conditions = []autoscaling.HorizontalPodAutoscalerCondition{{Type: autoscaling.ScaledToZero, Status: v1.ConditionTrue, Reason: "ScaledToZero"}}
	}
	sick := r.Intn(3)
	for n := 0; n < int(replicas)+r.Intn(3); n++ {
		pod := Pod{Name: fmt.Sprintf("web-%d", n), Phase: "Running", Ready: true}
		if sick > 0 && r.Intn(4) == 0 {
			switch r.Intn(4) {
			case 0:
				pod.Phase, pod.Ready = []string{"Pending", "Failed", "Succeeded"}[r.Intn(3)], false
			case 1:
				pod.Deleting = true
			case 2:
				pod.Ready = false
			case 3:
				pod.Ready, pod.Initializing = false, true
			}
		}
		c.Pods = append(c.Pods, pod)
	}
	for n := 0; n < 1+r.Intn(3); n++ {
		c.metric(r, n, pick)
	}
	if r.Intn(2) == 0 {
		c.HPA.Spec.Behavior = behavior(r)
	}
	for n := 0; n < r.Intn(4); n++ {
		c.Recommended = append(c.Recommended, Recommendation{int32(5 + 10*r.Intn(60)), int32(r.Intn(15))})
	}
	for n := 0; n < r.Intn(3); n++ {
		c.Ups = append(c.Ups, Change{int32(5 + 10*r.Intn(20)), int32(1 + r.Intn(4))})
	}
	for n := 0; n < r.Intn(3); n++ {
		c.Downs = append(c.Downs, Change{int32(5 + 10*r.Intn(20)), int32(1 + r.Intn(4))})
	}
	return c
}

func (c *Case) metric(r *rand.Rand, n int, pick func(...int64) int64) {
	target := resource.NewMilliQuantity(pick(1, 500, 1000, 10000, 33333, 1000000), resource.DecimalSI)
	near := func() int64 {
		switch r.Intn(12) {
		case 0:
			return 0
		case 1:
			return -target.MilliValue()
		case 2:
			return pick(9223372036854775000, 4611686018427387904, 1<<40)
		default:
			return int64(float64(target.MilliValue()) * (0.3 + 1.6*r.Float64()))
		}
	}
	metric := autoscaling.MetricIdentifier{Name: fmt.Sprintf("m%d", n)}
	average := autoscaling.MetricTarget{Type: autoscaling.AverageValueMetricType, AverageValue: target}
	whole := autoscaling.MetricTarget{Type: autoscaling.ValueMetricType, Value: target}
	one := average
	if r.Intn(2) == 0 {
		one = whole
	}
	answer := Answer{Pods: map[string]int64{}}
	spec := autoscaling.MetricSpec{}
	resourceTaken := false
	for _, m := range c.HPA.Spec.Metrics {
		resourceTaken = resourceTaken || m.Type == autoscaling.ResourceMetricSourceType
	}
	switch kind := r.Intn(7); {
	case kind < 3 || kind == 3 && resourceTaken:
		spec = autoscaling.MetricSpec{Type: autoscaling.PodsMetricSourceType, Pods: &autoscaling.PodsMetricSource{Metric: metric, Target: average}}
	case kind == 3:
		spec = autoscaling.MetricSpec{Type: autoscaling.ResourceMetricSourceType, Resource: &autoscaling.ResourceMetricSource{Name: v1.ResourceCPU, Target: average}}
	case kind == 4:
		described := autoscaling.CrossVersionObjectReference{APIVersion: "v1", Kind: "Service", Name: "web"}
		spec = autoscaling.MetricSpec{Type: autoscaling.ObjectMetricSourceType, Object: &autoscaling.ObjectMetricSource{Metric: metric, DescribedObject: described, Target: one}}
		answer = Answer{Values: []int64{near() * pick(1, 1, 5)}}
	default:
		spec = autoscaling.MetricSpec{Type: autoscaling.ExternalMetricSourceType, External: &autoscaling.ExternalMetricSource{Metric: metric, Target: one}}
		answer = Answer{}
		for k := 0; k <= r.Intn(3); k++ {
			answer.Values = append(answer.Values, near())
		}
	}
	if answer.Pods != nil {
		blind := r.Intn(3)
		for _, pod := range c.Pods {
			if blind == 0 || r.Intn(4) > 0 {
				answer.Pods[pod.Name] = near()
			}
		}
	}
	if r.Intn(10) == 0 {
		answer = Answer{Error: "no such metric"}
	}
	c.HPA.Spec.Metrics = append(c.HPA.Spec.Metrics, spec)
	c.Answers = append(c.Answers, answer)
}

func behavior(r *rand.Rand) *autoscaling.HorizontalPodAutoscalerBehavior {
	rules := func(up bool) *autoscaling.HPAScalingRules {
		window := []int32{0, 30, 60, 300}[r.Intn(4)]
		selected := []autoscaling.ScalingPolicySelect{autoscaling.MaxChangePolicySelect, autoscaling.MaxChangePolicySelect, autoscaling.MinChangePolicySelect, autoscaling.DisabledPolicySelect}[r.Intn(4)]
		rules := &autoscaling.HPAScalingRules{StabilizationWindowSeconds: &window, SelectPolicy: &selected}
		if !up && r.Intn(3) == 0 {
			rules.StabilizationWindowSeconds = nil
		}
		for n := 0; n <= r.Intn(2); n++ {
			kind := []autoscaling.HPAScalingPolicyType{autoscaling.PodsScalingPolicy, autoscaling.PercentScalingPolicy}[r.Intn(2)]
			value := int32(1 + r.Intn(4))
			if kind == autoscaling.PercentScalingPolicy {
				value = []int32{10, 33, 50, 100}[r.Intn(4)]
			}
			rules.Policies = append(rules.Policies, autoscaling.HPAScalingPolicy{Type: kind, Value: value, PeriodSeconds: []int32{10, 60, 180}[r.Intn(3)]})
		}
		if r.Intn(4) == 0 {
			tolerance := resource.MustParse([]string{"0", "0.05", "0.5"}[r.Intn(3)])
			rules.Tolerance = &tolerance
		}
		return rules
	}
	return &autoscaling.HorizontalPodAutoscalerBehavior{ScaleUp: rules(true), ScaleDown: rules(false)}
}

// Record prints n cases, one a line.
func Record(n int) {
	r := rand.New(rand.NewSource(20261126))
	for ; n > 0; n-- {
		c := Generate(r)
		c.Sync(context.Background())
		c.HPA.Status.CurrentMetrics = nil
		line, err := json.Marshal(c)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(line))
	}
}
