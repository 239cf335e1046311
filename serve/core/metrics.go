package core

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"eclat/engine"
)

// Metrics are what is counted of requests and answers. Names begin with eclat_, times are
// in seconds.
type Metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec   // by route and status
	took     *prometheus.HistogramVec // by route
	prompt, cached, generated,
	drafted, accepted *prometheus.CounterVec // tokens, by model
	answers *prometheus.CounterVec // by model and why they ended
	losses  *prometheus.CounterVec // of devices, during answers
	first, between, queued,
	speed *prometheus.HistogramVec // by model
}

// Buckets of times.
var (
	longTimes  = prometheus.ExponentialBuckets(0.005, 2, 16)  // 5 ms to 164 s
	shortTimes = prometheus.ExponentialBuckets(0.0005, 2, 15) // 0.5 ms to 8 s
	rates      = prometheus.ExponentialBuckets(0.5, 2, 14)    // 0.5 to 4096 a second
)

func newMetrics(c *Core) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "eclat_" + name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "eclat_" + name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.requests = counter("http_requests_total", "Requests answered.", "route", "status")
	m.took = histogram("http_request_seconds", "Time that a request took.", longTimes, "route")
	m.prompt = counter("prompt_tokens_total", "Tokens of prompts, cached ones too.", "model")
	m.cached = counter("cached_tokens_total", "Tokens of prompts that were found computed.", "model")
	m.generated = counter("generated_tokens_total", "Tokens generated.", "model")
	m.drafted = counter("drafted_tokens_total", "Tokens guessed and run.", "model")
	m.accepted = counter("accepted_tokens_total", "Tokens guessed right.", "model")
	m.answers = counter("answers_total", "Answers, by why they ended.", "model", "end")
	m.losses = counter("device_losses_total", "Times that a device was lost during an answer.", "model")
	m.first = histogram("time_to_first_token_seconds", "Time from the request to the first token.", longTimes, "model")
	m.between = histogram("time_between_tokens_seconds", "Time from a token to the next.", shortTimes, "model")
	m.queued = histogram("queue_seconds", "Time that a request waited for its turn.", longTimes, "model")
	m.speed = histogram("prompt_tokens_per_second", "Rate at which prompts were computed.", rates, "model")
	m.registry.MustRegister(&state{c: c})
	return m
}

// Handler tells the metrics in Prometheus' form.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// request counts a request. A route is a pattern of the server, never what a client wrote.
func (m *Metrics) request(route string, status int, took time.Duration) {
	if _, path, ok := strings.Cut(route, " "); ok {
		route = path
	}
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(route).Observe(took.Seconds())
}

// answer counts an answer of a model.
func (m *Metrics) answer(model string, st engine.Stats, err error) {
	end := string(st.Stop)
	if err != nil {
		end = "error"
	}
	m.answers.WithLabelValues(model, end).Inc()
	m.prompt.WithLabelValues(model).Add(float64(st.PromptTokens))
	m.cached.WithLabelValues(model).Add(float64(st.CachedTokens))
	m.generated.WithLabelValues(model).Add(float64(st.GeneratedTokens))
	m.drafted.WithLabelValues(model).Add(float64(st.Drafted))
	m.accepted.WithLabelValues(model).Add(float64(st.Accepted))
	m.losses.WithLabelValues(model).Add(float64(st.Losses))
	m.queued.WithLabelValues(model).Observe(st.QueueTime.Seconds())
	if n, s := st.PromptTokens-st.CachedTokens, st.PromptTime.Seconds(); n > 0 && s > 0 && st.GeneratedTokens > 0 {
		m.speed.WithLabelValues(model).Observe(float64(n) / s)
	}
}

// state is what the models are at when somebody looks.
type state struct{ c *Core }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("eclat_"+name, help, labels, nil)
}

var (
	descAtOnce  = describe("http_requests_in_flight", "Requests at work.")
	descLoaded  = describe("model_loaded", "Whether the model is loaded.", "model")
	descDown    = describe("device_lost", "Whether a device is lost and not back.", "model")
	descWaiting = describe("requests_waiting", "Requests that wait for their turn.", "model")
	descWorking = describe("requests_working", "Sequences at work.", "model")
	descUsed    = describe("memory_units_used", "Units of the context's memory (pages, slots) in use or kept for prompts to come.", "model")
	descFree    = describe("memory_units_free", "Units of the context's memory that are free.", "model")
	descMemory  = describe("device_memory_bytes", "Memory of a device that the model holds.", "model", "device")
	descRun     = describe("computed_tokens_total", "Tokens run, of prompts and answers, guesses too.", "model")
)

func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAtOnce, descLoaded, descDown, descWaiting, descWorking, descUsed, descFree, descMemory, descRun} {
		ch <- d
	}
}

func (s *state) Collect(ch chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	is := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	tell(descAtOnce, prometheus.GaugeValue, float64(len(s.c.places)))
	for _, i := range s.c.Models.List() {
		tell(descLoaded, prometheus.GaugeValue, is(i.State == Loaded), i.Name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // a step may take long
	defer cancel()
	s.c.Models.Each(func(m *Model) {
		tell(descDown, prometheus.GaugeValue, is(m.Engine.Down()), m.Name)
		n, err := m.Engine.Counters(ctx)
		if err != nil {
			return
		}
		tell(descWaiting, prometheus.GaugeValue, float64(n.Waiting), m.Name)
		tell(descWorking, prometheus.GaugeValue, float64(n.Working), m.Name)
		tell(descUsed, prometheus.GaugeValue, float64(n.Units), m.Name)
		tell(descFree, prometheus.GaugeValue, float64(n.Free), m.Name)
		facts, err := m.Engine.Facts(ctx)
		if err != nil {
			return
		}
		held := map[string]int64{} // a device may have several stages
		for _, f := range facts {
			held[f.ID] += f.Held
		}
		for id, bytes := range held {
			tell(descMemory, prometheus.GaugeValue, float64(bytes), m.Name, id)
		}
		tell(descRun, prometheus.CounterValue, float64(n.Computed), m.Name)
	})
}
