package main

import (
	"crypto/x509"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"example.com/entra-scim-proxy/proxy/token"
	"example.com/entra-scim-proxy/proxy/upstream"
)

// One line a day for each thing, the louder the nearer its end.
func TestExpiryIsToldOfOnceADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		watch := newExpiryWatch(zap.New(core))
		end := time.Now().Add(33 * 24 * time.Hour)
		secret := token.Credentials{token.NewSecret("value").WithOrigin(token.Origin{Expires: end}), token.NewSecret("before").WithOrigin(token.Origin{Expires: end}), token.NewSecret("endless")}
		for range 35 * 24 {
			watch.credentials("ENTRA_TOKEN", secret)
			time.Sleep(time.Hour)
		}
		for level, want := range map[string]int{"info": 3, "warn": 30, "error": 2} {
			got := 0
			for _, line := range logs.All() {
				if line.Level.String() == level && line.ContextMap()["id"] == secret.Current().String() {
					got++
				}
			}
			if got != want {
				t.Errorf("%d lines at level %s in 35 days, want %d", got, level, want)
			}
		}
		if n := logs.Len(); n != 70 {
			t.Errorf("%d lines for two values with an end and one without, want 70", n)
		}
		for i, want := range map[int]string{
			0: "info expires map[days_left:33 expires:", 6: "warn expires soon map[days_left:30 ", 64: "warn expires soon map[days_left:1 ",
			66: "error expired map[days_left:0 ", 68: "error expired map[days_left:-1 ",
		} {
			line := logs.All()[i]
			if got := fmt.Sprint(line.Level, " ", line.Message, " ", line.ContextMap()); len(got) < len(want) || got[:len(want)] != want {
				t.Errorf("line %d: %s, want %s…", i, got, want)
			}
		}
	})
}

func TestExpiryForgetsWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		watch := newExpiryWatch(zap.NewNop())
		for i := range 1000 { // a new certificate each hour
			watch.chain([]*x509.Certificate{{Raw: []byte{byte(i), byte(i >> 8)}, NotAfter: time.Now().Add(24 * time.Hour)}})
			time.Sleep(time.Hour)
		}
		if n := len(watch.told); n > 48 {
			t.Errorf("%d things are remembered, want those of a day or two", n)
		}
	})
}

// Every certificate of a bundle has an end of its own.
func TestExpiryOfABundle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.DebugLevel)
		newExpiryWatch(zap.New(core)).bundle(&upstream.Roots{Certificates: []*x509.Certificate{
			{Raw: []byte("a"), NotAfter: time.Now().Add(24 * time.Hour)}, {Raw: []byte("b"), NotAfter: time.Now().Add(48 * time.Hour)},
		}})
		var days []any
		for _, line := range logs.All() {
			days = append(days, line.ContextMap()["days_left"])
		}
		if got := fmt.Sprint(days); got != "[1 2]" {
			t.Errorf("days left: %v, want one and two", got)
		}
	})
}

// A day that has begun does not count as left, nor as not yet over.
func TestDaysLeftAreWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]int64{25 * time.Hour: 1, 24 * time.Hour: 1, time.Hour: 0, 0: 0, -time.Hour: -1, -25 * time.Hour: -2} {
			core, logs := observer.New(zap.DebugLevel)
			newExpiryWatch(zap.New(core)).note("X", "id", time.Now().Add(left))
			if got := logs.All()[0].ContextMap()["days_left"]; got != want {
				t.Errorf("%v: %v days left, want %d", left, got, want)
			}
		}
	})
}
