package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// guarded are settings with which the proxy reads each body that it can, and
// takes headers as long as it can.
var guarded = []string{"NORMALIZE=all", "DROP_ATTRIBUTES=title", "GROUPS=stub", "MAX_HEADER=1MiB"}

// resources are the classes that weigh on the proxy: what it would spend on
// them, or make of them.
func resources() []class {
	return []class{
		{"Bodies that readers take for different ones", "RFC 7493 section 2, RFC 8259, CWE-674, CWE-1333", len(documents()) * (len(writes) + 1), len(kinds)},
		{"Content codings", "CVE-2022-30631, RFC 9110 section 8.4", len(codings()) * 2, len(kinds)},
		{"Parameters without number", "CVE-2025-61726, CVE-2026-39825", len(longQueries()) * 2, len(kinds)},
		{"Ids of stubbed groups", "CWE-116, CWE-117, RFC 3986", len(groupTexts())*2 + len(brokenIDs()), len(kinds)},
		{"Guessed tokens", "RFC 6750 section 3.1, OWASP API2:2023, CWE-208", guesses, len(kinds)},
	}
}

// Bodies, codings, queries and ids, where each rule is on.
func TestResources(t *testing.T) {
	inEachWorld(t, guarded, func(t *testing.T, w *world) {
		for _, test := range []struct {
			name string
			run  func(*testing.T, *world, bool)
		}{{"bodies", tryDocuments}, {"codings", tryCodings}, {"queries", tryQueries}} {
			t.Run(test.name, func(t *testing.T) { test.run(t, w, true) })
		}
		t.Run("ids", func(t *testing.T) { tryGroupIDs(t, w) })
		w.judgeQuietly(t)
	})
}

// The same, where none is.
func TestResourcesWithoutRules(t *testing.T) {
	inEachWorld(t, nil, func(t *testing.T, w *world) {
		t.Run("bodies", func(t *testing.T) { tryDocuments(t, w, false) })
		t.Run("codings", func(t *testing.T) { tryCodings(t, w, false) })
		t.Run("queries", func(t *testing.T) { tryQueries(t, w, false) })
		w.judgeQuietly(t)
	})
}

// judgeQuietly judges the lines of the log since the last time.
func (w *world) judgeQuietly(t *testing.T) {
	t.Helper()
	for i, b := range w.judgeLog(t) {
		if i == 10 {
			t.Fatal("and more")
		}
		t.Errorf("%s: %s", b.vector, b.what)
	}
}

// newClient is a client that keeps its connections and takes answers as they
// are.
func newClient(t *testing.T, connections int) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableCompression: true, MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call makes a call with Entra's token, unless the fields, Name: value each,
// hold another. The target is sent as it is.
func (w *world) call(ctx context.Context, client *http.Client, line string, body []byte, fields ...string) (answer, error) {
	method, target, _ := strings.Cut(line, " ")
	request, err := http.NewRequestWithContext(ctx, method, "http://"+w.front, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.URL.Opaque, request.URL.RawQuery, _ = strings.Cut("//"+w.front+target, "?")
	request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	request.Header.Set("Authorization", "Bearer "+w.Token())
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Authorization" {
			request.Header.Del(name)
		}
		request.Header.Add(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, content}, err
}

// trial is one call and what must become of it.
type trial struct {
	name, line string
	body       []byte
	fields     []string
	// passes says that the backend gets the body and the query as they are, and
	// answers; else it gets nothing, and want are the statuses that are right.
	want     []int
	scimType string // of the error; empty does not ask
	passes   bool
	may      bool // refused or passed on is both right, and nothing in between
}

// try makes the calls, some at a time. {mark} in a target becomes one of the
// trial's own.
func (w *world) try(t *testing.T, trials []trial) {
	t.Helper()
	client := newClient(t, 4)
	w.took()
	got, marks := make([]answer, len(trials)), make([]string, len(trials))
	var running sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i, each := range trials {
		marks[i] = w.newMark()
		slots <- struct{}{}
		running.Go(func() { // ends with the call
			defer func() { <-slots }()
			var err error
			if got[i], err = w.call(t.Context(), client, strings.ReplaceAll(each.line, "{mark}", marks[i]), each.body, each.fields...); err != nil {
				t.Errorf("%s: %v", each.name, err)
			}
		})
	}
	running.Wait()
	arrived := map[string][]request{}
	for _, r := range w.took() {
		m := mark.FindString(r.uri)
		arrived[m] = append(arrived[m], r)
	}
	for i, each := range trials {
		w.judgeTrial(t, each, strings.ReplaceAll(each.line, "{mark}", marks[i]), got[i], arrived[marks[i]])
		delete(arrived, marks[i])
	}
	for m, rest := range arrived {
		t.Errorf("requests of nobody's (%q) reached the backend: %d", m, len(rest))
	}
}

func (w *world) judgeTrial(t *testing.T, each trial, line string, got answer, arrived []request) {
	t.Helper()
	fail := func(format string, arguments ...any) {
		t.Helper()
		t.Errorf("%s: %s", each.name, fmt.Sprintf(format, arguments...))
	}
	passed := each.passes
	if each.may {
		passed = len(arrived) > 0
	}
	if !passed && !slices.Contains(each.want, got.status) {
		fail("the answer is %d %.200s", got.status, got.body)
	}
	for _, secret := range w.inside {
		if strings.Contains(string(got.body), secret) {
			fail("the answer holds %q", secret)
		}
	}
	if !passed {
		if len(arrived) > 0 {
			fail("it reached the backend: %.200q", arrived[0].body)
		}
		var told struct{ Status, SCIMType string }
		if each.scimType != "" && (json.Unmarshal(got.body, &told) != nil || told.SCIMType != each.scimType) {
			fail("no SCIM Error of %s: %.300s", each.scimType, got.body)
		}
		return
	}
	if len(arrived) != 1 {
		fail("the backend got it %d times", len(arrived))
		return
	}
	r := arrived[0]
	if wrong := w.judgeRequest(r); len(wrong) > 0 {
		fail("%s", wrong)
	}
	_, query, _ := strings.Cut(r.uri, "?")
	if _, want, _ := strings.Cut(line, "?"); query != want {
		fail("the backend got another query of %d bytes, want %d", len(query), len(want))
	}
	if !bytes.Equal(r.body, each.body) || r.cut {
		fail("the backend got another body: %d bytes, want %d, cut: %v: %.200q", len(r.body), len(each.body), r.cut, r.body)
	}
}
