package infra_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/dustin/go-humanize"
)

var update = flag.Bool("update", false, "write the generated tables of docs/scale.md and infra/README.md")

// What a call costs, and what is charged for it. docs/scale.md says where each
// figure comes from.
const (
	backendSeconds   = 0.2     // assumed
	proxyCPU         = 0.00025 // seconds of a core, measured
	hostCPU          = 0.002   // of the Functions host, assumed
	usableCPU        = 0.7
	perInstance      = 100
	backendConns     = 256
	readsPerRefresh  = 4
	readsAtStart     = 7
	refreshSeconds   = 300
	logBytes         = 4000 // assumed
	secondsPerMonth  = 365 * 24 * 3600 / 12
	dollarsPerGBs    = 0.000026
	readyBaseline    = 0.000004
	readyExecution   = 0.000016
	dollarsPerCall   = 0.40 / 1e6
	dollarsPerLogGB  = 2.30
	freeLogGB        = 5
	dollarsPerRead   = 0.03 / 10_000
	privateEndpoint  = 7.30 + 0.50 // with its DNS zone
	alertRules       = 1.50 + 6*0.50
	smallestGB       = 0.5
	coresOf512MB     = 0.25
	coresOf2048MB    = 1.0
	minimumActive    = 1.0 // seconds charged at least
	cyclesPerMonth   = 36 * 365.0 / 12
	callsPerCycle    = 2
	callsPerChange   = 4
	changesPerUser   = 0.15
	callsAtFirstSync = 5
)

func instances(rate, cores, cpu float64) float64 {
	return max(math.Ceil(rate*backendSeconds/perInstance), math.Ceil(rate*cpu/(cores*usableCPU)))
}

func scaleTable() string {
	rates := []float64{25, 250, 2500}
	var b strings.Builder
	b.WriteString("\n| | 25 calls/s | 250 calls/s | 2,500 calls/s |\n|---|---|---|---|\n")
	row := func(name string, value func(rate float64) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, rate := range rates {
			fmt.Fprintf(&b, " %s |", value(rate))
		}
		b.WriteString("\n")
	}
	small := func(rate float64) float64 { return instances(rate, coresOf512MB, proxyCPU+hostCPU) }
	row("calls in flight", func(rate float64) string { return count(rate * backendSeconds) })
	row("cores: the proxy alone (measured)", func(rate float64) string { return figure(rate * proxyCPU) })
	row("cores: with the Functions host (assumed)", func(rate float64) string { return figure(rate * (proxyCPU + hostCPU)) })
	row("instances of 512 MB: by concurrency, `perInstanceConcurrency` 100", func(rate float64) string { return count(math.Ceil(rate * backendSeconds / perInstance)) })
	row("**instances of 512 MB** (a quarter of a core each): the larger of that and what the cores ask for", func(rate float64) string { return "**" + count(small(rate)) + "**" })
	row("instances of 2,048 MB (one core each), likewise", func(rate float64) string { return count(instances(rate, coresOf2048MB, proxyCPU+hostCPU)) })
	row("connections to the backend, HTTP/1.1", func(rate float64) string {
		return fmt.Sprintf("%s, at most %s", count(rate*backendSeconds), count(small(rate)*backendConns))
	})
	row("connections to the backend, HTTP/2", func(rate float64) string { return count(small(rate)) })
	row("Key Vault reads per 10 s, running", func(rate float64) string { return figure(small(rate) * readsPerRefresh * 10 / refreshSeconds) })
	row("Key Vault reads per 10 s, all instances starting at once", func(rate float64) string { return count(small(rate) * readsAtStart) })
	row("a month at that rate without a pause: instances", func(rate float64) string {
		return dollars(small(rate) * secondsPerMonth * smallestGB * dollarsPerGBs)
	})
	row("… executions", func(rate float64) string { return dollars(rate * secondsPerMonth * dollarsPerCall) })
	row("… logs", func(rate float64) string {
		return dollars((rate*secondsPerMonth*logBytes/1e9 - freeLogGB) * dollarsPerLogGB)
	})
	return b.String() + "\n"
}

// costTable is what companies pay, whose calls come in bursts.
func costTable() string {
	users := []float64{1000, 100_000}
	var b strings.Builder
	b.WriteString("\n| A month | 1,000 users | 100,000 users |\n|---|---|---|\n")
	total := make([]float64, len(users))
	row := func(name string, value func(n float64) float64) {
		fmt.Fprintf(&b, "| %s |", name)
		for i, n := range users {
			price := value(n)
			total[i] += price
			fmt.Fprintf(&b, " %s |", dollars(price))
		}
		b.WriteString("\n")
	}
	calls := func(n float64) float64 {
		return cyclesPerMonth*callsPerCycle + n*changesPerUser*callsPerChange
	}
	fmt.Fprintf(&b, "| calls | %s | %s |\n", count(calls(users[0])), count(calls(users[1])))
	row("one always-ready instance of 512 MB, waiting", func(float64) float64 { return smallestGB * secondsPerMonth * readyBaseline })
	row("its executions, each charged as one second", func(n float64) float64 {
		return calls(n) * (minimumActive*smallestGB*readyExecution + dollarsPerCall)
	})
	row("logs, under the 5 GB that are free", func(n float64) float64 { return max(0, calls(n)*logBytes/1e9-freeLogGB) * dollarsPerLogGB })
	row("seven alert rules", func(float64) float64 { return alertRules })
	row("Key Vault", func(float64) float64 { return secondsPerMonth / refreshSeconds * readsPerRefresh * dollarsPerRead })
	fmt.Fprintf(&b, "| **together** | **%s** | **%s** |\n", dollars(total[0]), dollars(total[1]))
	row("with `vaultPrivateEndpoint`, in addition", func(float64) float64 { return privateEndpoint })
	fmt.Fprintf(&b, "| the first synchronization, once: calls | %s | %s |\n", count(users[0]*callsAtFirstSync), count(users[1]*callsAtFirstSync))
	row("… and what they cost", func(n float64) float64 {
		first := n * callsAtFirstSync
		return first * (minimumActive*smallestGB*readyExecution + dollarsPerCall)
	})
	return b.String() + "\n"
}

// One rule looks every 5 minutes, six more seldom than every 10.
func TestAlertRulesAreThosePaidFor(t *testing.T) {
	var rules []struct{ Frequency string }
	if err := json.Unmarshal([]byte(script(t, "monitor/alerts.json")), &rules); err != nil {
		t.Fatal(err)
	}
	price := 0.0
	for _, rule := range rules {
		dollars, known := map[string]float64{"PT5M": 1.50, "PT10M": 1, "PT15M": 0.50, "PT30M": 0.50, "PT1H": 0.50}[rule.Frequency]
		if !known {
			t.Errorf("no price for a rule that looks every %s", rule.Frequency)
		}
		price += dollars
	}
	if price != alertRules {
		t.Errorf("the alerts cost $%.2f, and the table says $%.2f", price, alertRules)
	}
}

func count(n float64) string { return humanize.Comma(int64(math.Round(n))) }

func figure(n float64) string { return strings.TrimSuffix(fmt.Sprintf("%.2g", n), ".0") }

func dollars(n float64) string {
	if n < 100 {
		return fmt.Sprintf("$%.2f", n)
	}
	return "$" + count(n)
}

func TestScaleIsWhatTheFiguresSay(t *testing.T) {
	generated(t, "../docs/scale.md", "scale", scaleTable())
}

func TestCostIsWhatTheFiguresSay(t *testing.T) { generated(t, "README.md", "cost", costTable()) }

// generated compares a part of a page with what it should be, or writes it.
func generated(t *testing.T, page, name, want string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	begin := "<!-- " + name + ": generated by go test ./infra -update -->\n"
	end := "<!-- end of " + name + " -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	have, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Fatalf("%s lacks %q or %q", page, begin, end)
	case have == want:
	case *update:
		if err := os.WriteFile(page, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what the figures say: run go test ./infra -update\n%s", page, want)
	}
}
