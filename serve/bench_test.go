package serve

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"eclat/engine"
	"eclat/serve/servetest"
)

// BenchmarkStreams: tokens a second of 1 to 8 answers at a time, streamed over loopback, and
// the time between the tokens of an answer. ECLAT_MODEL names another model than the
// built-in one.
func BenchmarkStreams(b *testing.B) {
	o := servetest.Options{Path: os.Getenv("ECLAT_MODEL"), Template: "chatml", Engine: engine.Options{Context: 4096}}
	c := servetest.Core(b, o)
	url := servetest.Start(b, Handler(c))
	const tokens = 96
	body := func(i int) string {
		return chat(fmt.Sprintf("Speak of the %d. state of the Union.", i), tokens, `,"ignore_eos":true,"stream":true`)
	}
	var clients []*client
	for i := range engine.DefaultParallel {
		clients = append(clients, newClient(b, url, ""))
		if _, err := clients[i].events("/v1/chat/completions", strings.Replace(body(i), fmt.Sprint(tokens), "2", 1)); err != nil {
			b.Fatal(err)
		}
	}
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var pauses between
			for b.Loop() {
				var all sync.WaitGroup
				for i := range n {
					all.Go(func() {
						times, err := clients[i].events("/v1/chat/completions", body(i))
						if err != nil {
							b.Error(err)
						}
						pauses.add(times)
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64(b.N*n*tokens)/b.Elapsed().Seconds(), "tokens/s")
			b.ReportMetric(float64(pauses.at(50).Microseconds())/1000, "ms-between")
			b.ReportMetric(float64(pauses.at(99).Microseconds())/1000, "ms-between-p99")
		})
	}
}
