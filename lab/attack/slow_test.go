package attack

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// slowAttacks are those of slowhttptest, each by 200 connections. In the values
// of its fields stands a whole one more: Entra's token, so that the attack gets
// as far as it can.
var slowAttacks = []struct {
	name      string
	arguments []string
}{
	{"slow header (slowloris)", []string{"-H", "-u", "{origin}/scim/Users", "-x", "24"}},
	{"slow body, with a token", []string{"-B", "-u", "{origin}/scim/Users", "-t", "POST", "-s", "60000", "-x", "24", "-f", "application/scim+json\r\n{auth}"}},
	{"slow body, without one", []string{"-B", "-u", "{origin}/scim/Users", "-t", "POST", "-s", "8000"}},
	{"slow body that streams", []string{"-B", "-u", "{origin}/scim/Bulk", "-t", "POST", "-s", "800000", "-f", "application/scim+json\r\n{auth}"}},
	{"slow read", []string{"-X", "-u", "{origin}/scim/Users/large", "-w", "1", "-y", "512", "-n", "1", "-z", "5", "-k", "3", "-m", "*/*\r\n{auth}"}},
}

// All of them at once, and meanwhile Entra's calls and the host's ping, of which
// none may fail. What the attackers held is given back.
func TestSlowPeers(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("slowhttptest")
	if err != nil {
		t.Skip("slowhttptest (Debian's package of that name) is not installed")
	}
	p := newPlant(t, 0, "NORMALIZE=all")
	length := "8"
	if full {
		length = "60"
	}
	before, descriptors := p.memory(t), p.descriptors(t)
	over, end := context.WithCancel(t.Context())
	good := make(chan int, 1)
	go func() { good <- p.callWhile(over, t) }() // ends with over
	var attacks sync.WaitGroup
	for _, attack := range slowAttacks {
		arguments := []string{"-c", "200", "-r", "100", "-i", "2", "-l", length, "-p", "30"}
		for _, argument := range attack.arguments {
			argument = strings.ReplaceAll(argument, "{origin}", "http://"+p.front)
			arguments = append(arguments, strings.ReplaceAll(argument, "{auth}", "Authorization: Bearer "+p.Token()))
		}
		attacks.Go(func() { // ends with the attack, of the length given
			output, err := exec.CommandContext(t.Context(), path, arguments...).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v %.500s", attack.name, err, output)
			}
			if !bytes.Contains(output, []byte("service available")) || bytes.Contains(output, []byte("service available:   \x1b[1;32mNO")) {
				t.Errorf("%s: %s", attack.name, output)
			}
		})
	}
	attacks.Wait()
	most := p.memory(t)
	end()
	calls := <-good
	t.Logf("%d connections of %d attacks in %s s; %d good calls meanwhile; %d MiB before, %d MiB at most", 200*len(slowAttacks), len(slowAttacks), length, calls, before.now>>20, most.most>>20)
	if calls == 0 {
		t.Error("nobody else was answered")
	}
	if most.most > memoryBound*3/5 {
		t.Errorf("the handler took %d MiB", most.most>>20)
	}
	p.awaitDescriptors(t, descriptors+spared)
	p.works(t)
	p.judgeQuietly(t)
}

// callWhile makes Entra's calls and the host's ping, and counts them.
func (p *plant) callWhile(over context.Context, t *testing.T) (calls int) {
	client := newClient(t, 1)
	for ; over.Err() == nil; calls++ {
		p.ping(t)
		for line, body := range map[string]string{"GET /scim/Users/1": "", "POST /scim/Users": "{}"} {
			got, err := p.call(t.Context(), client, line, []byte(body))
			if err != nil || got.status != http.StatusNotFound {
				t.Errorf("%s meanwhile: %d %v %.200s", line, got.status, err, got.body)
				return calls
			}
		}
	}
	return calls
}

// What the backend sends to those who do not read waits at the backend, not in the
// handler's memory; HTTP/2 would take 4 MiB of each answer.
func TestClientsThatDoNotRead(t *testing.T) {
	const (
		clients = 100
		bound   = 64 << 20
	)
	p := newPlant(t, 1)
	before := p.memory(t)
	for range clients {
		conn, err := p.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, p.fill("GET /scim/Users/endless HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n\r\n", "")); err != nil {
			t.Fatal(err)
		}
	}
	client := newClient(t, 1)
	for range 10 { // time enough to fill what there is
		got, err := p.call(t.Context(), client, "GET /scim/Users/endless", nil)
		if err != nil || got.status != http.StatusOK || len(got.body) != 8*len(large) {
			t.Fatalf("somebody who reads gets %d, %d bytes, %v", got.status, len(got.body), err)
		}
	}
	m := p.memory(t)
	t.Logf("%d clients do not read 9 MB each: %d MiB before, %d MiB at most", clients, before.now>>20, m.most>>20)
	if m.most > bound {
		t.Errorf("the handler took %d MiB, want %d at most", m.most>>20, bound>>20)
	}
}
