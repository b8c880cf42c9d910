package entra

import (
	"fmt"
	"runtime"
	"testing"

	"example.com/entra-scim-proxy/lab/directory"
)

// BenchmarkCycle makes initial cycles, through the proxy to the strict backend.
func BenchmarkCycle(b *testing.B) {
	for _, size := range []directory.Options{
		{Seed: 1, Users: 100, Groups: 10, Memberships: 500},
		{Seed: 1, Users: 1000, Groups: 50, Memberships: 5000},
	} {
		b.Run(fmt.Sprintf("users=%d", size.Users), func(b *testing.B) {
			b.ReportAllocs()
			calls := 0
			for b.Loop() {
				b.StopTimer()
				p := newPlant(b, build{size: size, client: Options{TenantURL: flag2020}})
				b.StartTimer()
				calls += p.clean().Calls
			}
			b.ReportMetric(float64(calls)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// BenchmarkJobMemory shows what a job itself keeps after an initial cycle: the
// endpoint is one that takes everything.
func BenchmarkJobMemory(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		d, err := directory.Generate(directory.Options{Seed: 1, Users: 10_000, Groups: 500, Memberships: 50_000})
		if err != nil {
			b.Fatal(err)
		}
		client := newAgreeableClient(b, newAgreeable())
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		job, err := NewJob(client, JobOptions{Directory: d})
		if err != nil {
			b.Fatal(err)
		}
		report, err := job.Cycle(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		b.ReportMetric(float64(report.Calls), "calls")
		runtime.KeepAlive(job)
	}
}
