package check

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func ends(status Status) func(context.Context) Finding {
	return func(context.Context) Finding { return Finding{Status: status} }
}

// takes ends well after a time that it needs whether or not somebody waits.
func takes(d time.Duration) func(context.Context) Finding {
	return func(context.Context) Finding { time.Sleep(d); return Finding{Status: Pass} }
}

// walkAll walks steps and returns how they ended, "name status" each.
func walkAll(ctx context.Context, c *check, steps ...step) (ended []string) {
	for result := range c.walk(ctx, steps) {
		ended = append(ended, result.Step+" "+string(result.Status)+" "+result.Found)
	}
	return ended
}

func wantEnded(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatNeedsAFailureIsSkipped(t *testing.T) {
	ran := false
	got := walkAll(t.Context(), &check{},
		step{name: "a", run: ends(Fail)},
		step{name: "b", needs: []string{"a"}, run: func(context.Context) Finding { ran = true; return Finding{} }},
		step{name: "c", needs: []string{"b"}, run: ends(Pass)},
		step{name: "d", after: []string{"a", "c"}, run: ends(Pass)},
		step{name: "e", needs: []string{"d", "nobody"}, run: ends(Warn)},
		step{name: "f", needs: []string{"e"}, run: ends(Pass)},
	)
	wantEnded(t, got, "a fail ", "b skip needs a", "c skip needs b", "d pass ", "e warn ", "f pass ")
	if ran {
		t.Error("a step ran that was to be skipped")
	}
}

func TestStepsRunSideBySideInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		got := walkAll(t.Context(), &check{},
			step{name: "slow", limit: 5 * time.Second, run: takes(4 * time.Second)},
			step{name: "beside", limit: 5 * time.Second, run: takes(3 * time.Second)},
			step{name: "behind", after: []string{"slow"}, limit: 5 * time.Second, run: takes(2 * time.Second)},
			step{name: "quick", run: ends(Pass)},
		)
		wantEnded(t, got, "slow pass ", "beside pass ", "behind pass ", "quick pass ")
		if took := time.Since(started); took != 6*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestResultsComeAsSoonAsTheyAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		at := map[string]time.Duration{}
		for result := range (&check{}).walk(t.Context(), []step{
			{name: "now", run: ends(Pass)},
			{name: "later", limit: 5 * time.Second, run: takes(4 * time.Second)},
		}) {
			at[result.Step] = time.Since(started)
			if result.Step == "later" && result.Took != 4*time.Second {
				t.Errorf("took %v", result.Took)
			}
		}
		if at["now"] != 0 || at["later"] != 4*time.Second {
			t.Errorf("%v", at)
		}
	})
}

func TestAStepThatHeedsNoLimitIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		results := (&check{}).walk(t.Context(), []step{
			{name: "deaf", limit: 3 * time.Second, run: takes(time.Hour)},
			{name: "behind", needs: []string{"deaf"}, run: ends(Pass)},
			{name: "late", limit: 3 * time.Second, run: func(ctx context.Context) Finding {
				<-ctx.Done()
				time.Sleep(overrun - time.Nanosecond)
				return Finding{Status: Warn, Found: "has its own words"}
			}},
		})
		var got []string
		for result := range results {
			got = append(got, result.Step+" "+string(result.Status)+" "+result.Class+" "+result.Found)
		}
		wantEnded(t, got, "deaf fail timeout no answer within 3s", "behind skip  needs deaf", "late warn  has its own words")
		if took := time.Since(started); took != 3*time.Second+overrun {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Hour) // the deaf one has to end in the bubble
	})
}

func TestWhatComesTooLateIsSkippedButForTheCleaning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		cleaned := false
		got := walkAll(ctx, &check{},
			step{name: "slow", limit: 10 * time.Second, run: func(ctx context.Context) Finding {
				<-ctx.Done()
				return Finding{Status: Fail, Found: "cut"}
			}},
			step{name: "behind", after: []string{"slow"}, run: ends(Pass)},
			step{name: "clean", after: []string{"behind"}, always: true, limit: 3 * time.Second, run: func(ctx context.Context) Finding {
				cleaned = ctx.Err() == nil
				return Finding{Status: Pass}
			}},
		)
		wantEnded(t, got, "slow fail cut", "behind skip the check was over before its turn", "clean pass ")
		if !cleaned {
			t.Error("the time for cleaning was over")
		}
	})
}

// oddly panics, to be found in the stack.
func oddly() { panic("canary") }

// Parts run at the same time, and their results keep their order.
func TestPartsOfAStepRunBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		got := beside(4, func(i int) int { time.Sleep(time.Duration(4-i) * time.Second); return i })
		if took := time.Since(started); took != 4*time.Second || !slices.Equal(got, []int{0, 1, 2, 3}) {
			t.Errorf("%v after %v", got, took)
		}
	})
}

func TestAPanicIsAFinding(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	got := walkAll(t.Context(), &check{Options: Options{Log: zap.New(core)}},
		step{name: "odd", limit: time.Minute, run: func(context.Context) Finding { panic("canary") }},
		step{name: "quick and odd", run: func(context.Context) Finding { panic("canary") }},
		step{name: "odd beside itself", limit: time.Minute, run: func(context.Context) Finding {
			return beside(3, func(i int) Finding {
				if i == 1 {
					oddly()
				}
				return Finding{Status: Pass}
			})[0]
		}},
		step{name: "fine", run: ends(Pass)},
	)
	const fault = " fail a fault of the check itself"
	wantEnded(t, got, "odd"+fault, "quick and odd"+fault, "odd beside itself"+fault, "fine pass ")
	for _, entry := range logs.All() {
		if stack, _ := entry.ContextMap()["stack"].(string); entry.Level != zap.ErrorLevel || !strings.Contains(stack, "walk_test.go") ||
			entry.ContextMap()["step"] == "odd beside itself" && !strings.Contains(stack, "oddly") {
			t.Errorf("%v", entry)
		}
	}
	if logs.Len() != 3 {
		t.Errorf("%d lines", logs.Len())
	}
}

func TestLimits(t *testing.T) {
	c := &check{Options: Options{
		Vault: &Vault{}, Write: true, Backend: &url.URL{Scheme: "https", Host: "scim.corp.example.com"},
		Secrets: []Secret{{Setting: Inbound}, {Setting: Outbound}, {Setting: BackendCert}, {Setting: BackendCA}},
	}}
	for _, s := range c.steps() {
		want := 4 * time.Second
		switch kind, _, _ := strings.Cut(s.name, " "); kind {
		case "settings", "recommendation":
			want = 0
		case "secret":
			want = 5 * time.Second
		case "dns", "tcp", "tls", "delete":
			want = 3 * time.Second
		}
		if s.limit != want {
			t.Errorf("%s may take %v, want %v", s.name, s.limit, want)
		}
	}
}
