package e2e

import (
	"slices"
	"testing"
	"time"

	"example.com/entra-scim-proxy/lab/directory"
	"example.com/entra-scim-proxy/lab/entra"
)

// Both secrets are replaced in the middle of a cycle: the backend drops its old
// token, password or key at once, Entra gets the new token when the cycle is
// over. Nothing fails.
func TestRotationInTheMiddleOfACycle(t *testing.T) {
	for _, system := range []string{"strict", "luxplugins", "api-key"} {
		t.Run(system, func(t *testing.T) { rotateInTheMiddle(t, system) })
	}
}

func rotateInTheMiddle(t *testing.T, system string) {
	w := newWorld(t, system)
	d := w.people(directory.Options{Seed: 6, Users: 60, Groups: 4, Memberships: 90})
	client := w.client(true)
	rotated := make(chan error, 1)
	job := w.job(client, d, func(o *entra.JobOptions) {
		n := 0
		o.Observe = func(entra.Call) {
			if n++; n == 100 {
				go func() { // ends with Rotate; received below
					_, err := w.Rotate()
					rotated <- err
				}()
			}
		}
	})
	w.cycle(job)
	if err := <-rotated; err != nil {
		t.Fatal(err)
	}
	w.remember()
	client.SetToken(w.Token())
	d.Churn(1, 30)
	w.cycle(job)
	if !slices.ContainsFunc(w.log.exchanges(), func(e exchange) bool { return e.Replayed }) {
		t.Error("no call was repeated with the new credential")
	}
	w.differences(job, quirks[system].differs)
}

// The client certificate is replaced by one of another authority, both of which
// the backend trusts until the proxy has the new one. Nothing fails.
func TestClientCertificateRotates(t *testing.T) {
	w := newWorld(t, "in-house", "SECRET_REFRESH=1s")
	d := w.people(directory.Options{Seed: 8, Users: 30, Groups: 3, Memberships: 40})
	job := w.job(w.client(false), d, nil)
	w.cycle(job)
	drop, err := w.RotateCertificate()
	if err != nil {
		t.Fatal(err)
	}
	w.remember()
	for week := range uint64(3) {
		time.Sleep(time.Second) // over SECRET_REFRESH
		if week == 2 {
			drop()
			time.Sleep(restOfConnections)
		}
		d.Churn(week+1, 20)
		w.cycle(job)
	}
	w.differences(job, nil)
}

// restOfConnections is after how long an idle connection to the backend is
// closed, and a little.
const restOfConnections = 4 * time.Second

// Backend first: it refuses the old certificate at once. The proxy reads the new
// one when that shows, without a restart and long before SECRET_REFRESH.
func TestClientCertificateRefused(t *testing.T) {
	w := newWorld(t, "in-house")
	w.troubled = true // the refusal is an error in the log
	d := w.people(directory.Options{Seed: 9, Users: 10, Groups: 2, Memberships: 10})
	job := w.job(w.client(false), d, nil)
	w.cycle(job)
	drop, err := w.RotateCertificate()
	if err != nil {
		t.Fatal(err)
	}
	drop()
	w.remember()
	time.Sleep(restOfConnections)
	d.Churn(1, 10)
	_, _ = job.Cycle(t.Context()) // may fail as a whole, if the refusal meets its probe
	time.Sleep(time.Second)       // the certificate is being read
	for range 3 {
		report, err := job.Cycle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.wantClean(report)
	}
	if !slices.ContainsFunc(w.log.exchanges(), func(e exchange) bool { return e.Class == "tls_client_certificate_refused" }) {
		t.Error("no call was refused for the certificate")
	}
	w.differences(job, nil)
}
