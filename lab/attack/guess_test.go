package attack

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"golang.org/x/sync/errgroup"
)

// guesses is how many wrong tokens are tried in each world.
const guesses = 2000

// guess is the n-th wrong credential: lines of a header, which the client sends
// in place of the right one.
func guess(token string, n int) string {
	flipped := func(at int) string {
		changed := []byte(token)
		changed[at%len(token)] ^= 1
		return string(changed)
	}
	wide := func() string { // as UTF-16 would have it, without the zeros that no header can hold
		var text strings.Builder
		for _, unit := range utf16.Encode([]rune(token)) {
			fmt.Fprintf(&text, "%c\x80", rune(unit))
		}
		return text.String()
	}
	for i, other := range []func() string{
		func() string { return "Authorization: Bearer " + token[:n%len(token)] },
		func() string { return "Authorization: Bearer " + token[1+n%(len(token)-1):] },
		func() string { return "Authorization: Bearer " + flipped(n) },
		func() string { return "Authorization: Bearer " + token + strings.Repeat("A", 1+n%300) },
		func() string { return "Authorization: Bearer " + strings.Repeat("A", 1+n%300) + token },
		func() string { return "Authorization: Bearer " + swapCase(token) },
		func() string { return "Authorization: Bearer " + token[:len(token)/2] + " " + token[len(token)/2:] },
		func() string { return "Authorization: Bearer \t" + token },
		func() string { return "Authorization: Bearer " + token + "\u00a0" },
		func() string { return "Authorization: Bearer \ufeff" + token },
		func() string { return "Authorization: Bearer " + strings.ReplaceAll(flipped(n), "A", "\u0410") },
		func() string { return "Authorization: Bearer " + wide() },
		func() string { return "Authorization: Bearer " + token + "," + token },
		func() string { return "Authorization: Bearer " + token + "\r\nAuthorization: Bearer " + token },
		func() string { return "Authorization: Bearer " + flipped(n) + "\r\nAuthorization: Bearer " + token },
		func() string { return "Authorization: Bearer" },
		func() string { return "Authorization: " + token },
		func() string { return "Authorization: Basic " + token },
		func() string { return "X-Other: " + token },
		func() string { return "Authorization: Bearer " + strings.Repeat("A", len(token)) },
		func() string { return fmt.Sprintf("Authorization: Bearer %x", n) },
	} {
		if i == n%21 {
			return other()
		}
	}
	panic("no such guess")
}

// swapCase makes small letters of the large ones, and the other way round.
func swapCase(text string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			return c ^ 0x20
		}
		return c
	}, text)
}

// Whatever is guessed gets one and the same answer, fills no log, and holds up
// nobody who has the token.
func TestGuessedTokens(t *testing.T) {
	inEachWorld(t, nil, func(t *testing.T, w *world) {
		w.judgeQuietly(t)
		w.took()
		opened := w.watchToken(t)
		begun := time.Now()
		flood, stop := errgroup.WithContext(t.Context())
		good := make(chan int, 1)
		over, end := context.WithCancel(t.Context())
		go func() { good <- w.callAllTheTime(over, t) }() // ends with over
		flood.SetLimit(8)
		var first answer
		for n := range guesses {
			flood.Go(func() error {
				got, err := w.guess(stop, t, n)
				if n == 0 {
					first = got
				}
				return err
			})
		}
		if err := flood.Wait(); err != nil {
			t.Error(err)
		}
		took := time.Since(begun)
		end()
		if calls := <-good; calls == 0 {
			t.Error("nobody with a token was answered meanwhile")
		} else {
			t.Logf("%s: %d guesses in %v, %d good calls meanwhile; each gets %q", w.name, guesses, took, calls, first.body)
		}
		if most := 1 + int(took/(30*time.Second)); opened() > most+1 {
			t.Errorf("the token was read %d times in %v", opened(), took)
		}
		w.judgeFlood(t, took)
		for _, r := range w.took() {
			if strings.Contains(r.uri, "guessed") {
				t.Errorf("a guess reached the backend: %s", r.uri)
			}
		}
	})
}

// guess makes the n-th guess and judges the answer.
func (w *world) guess(ctx context.Context, t *testing.T, n int) (answer, error) {
	raw := "GET /scim/Users/guessed HTTP/1.1\r\nHost: x\r\nX-Request-Id: guess\r\nConnection: close\r\n" + guess(w.Token(), n) + "\r\n\r\n"
	if ctx.Err() != nil {
		return answer{}, ctx.Err()
	}
	answers, rest := w.send(t, raw)
	if len(answers) != 1 || rest != "" {
		return answer{}, fmt.Errorf("%q: %d answers", raw, len(answers))
	}
	got := answers[0]
	body, header := string(got.body), maps.Clone(got.header)
	header.Del("Date")
	if w.behindHost { // each call has another id there
		_, id, _ := strings.Cut(body, "Request id: ")
		id, _, _ = strings.Cut(id, `"`)
		body = strings.Replace(body, id, "guess", 1)
		header.Del("Content-Length")
	}
	want := http.Header{"Content-Type": {"application/scim+json"}, "Www-Authenticate": {"Bearer"}}
	if !w.behindHost {
		want.Set("Content-Length", fmt.Sprint(len(refusal)))
	}
	if got.status != http.StatusUnauthorized || body != refusal || !maps.EqualFunc(header, want, func(a, b []string) bool { return strings.Join(a, "\n") == strings.Join(b, "\n") }) {
		return got, fmt.Errorf("%q gets %d %v %s", guess(w.Token(), n), got.status, got.header, got.body)
	}
	return got, nil
}

// refusal is the one answer to whoever has no token.
const refusal = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"401","detail":"The bearer token is absent or not valid. Request id: guess"}`

// callAllTheTime makes Entra's calls and the host's ping until it is over, and
// counts them. Each has to be answered.
func (w *world) callAllTheTime(over context.Context, t *testing.T) (calls int) {
	client := newClient(t, 1)
	for over.Err() == nil {
		for _, each := range []struct {
			line, body string
			want       int
		}{{"GET /scim/Users/good", "", http.StatusNotFound}, {"GET /", "", http.StatusOK}, {"POST /scim/Users", "{}", http.StatusBadRequest}} {
			if each.line == "GET /" && w.behindHost {
				if _, err := w.Host.Ping(t.Context()); err != nil {
					t.Errorf("the ping: %v", err)
				}
				continue
			}
			got, err := w.call(t.Context(), client, each.line, []byte(each.body))
			if err != nil || got.status != each.want {
				t.Errorf("%s: %d %v %.200s", each.line, got.status, err, got.body)
				return calls
			}
			calls++
		}
	}
	return calls
}

// judgeFlood judges the log of a flood that took so long: ten lines of strangers
// a second, and how many more there would have been.
func (w *world) judgeFlood(t *testing.T, took time.Duration) {
	t.Helper()
	written, withheld := 0, 0
	for _, line := range w.lines(t) {
		if line["class"] == "unauthorized" {
			written++
		}
		if n, ok := line["withheld"].(float64); ok {
			withheld += int(n)
		}
	}
	if most := 10 + 10*int(took/time.Second+2); written > most || written == 0 || written+withheld != guesses {
		t.Errorf("%d lines, and %d withheld, in %v; want %d at most, and %d together", written, withheld, took, most, guesses)
	}
}
