package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/stand"
)

// rotate replaces the tokens while Entra calls, and returns the calls. After a
// third of them both get new versions in the vault, and the backend drops its
// old token at once. After two thirds somebody has typed the new token into the
// portal, and Entra presents it.
func rotate(ctx context.Context, s *stand.Stand) ([]entra.Call, error) {
	// 20 visits of three calls each, in 3 s.
	const rounds, visitors, length = 10, 2, 300 * time.Millisecond
	client, err := entra.New(entra.Options{TenantURL: s.TenantURL(true), Token: s.Token()})
	if err != nil {
		return nil, err
	}
	defer client.Close()

	type rotation struct {
		dropped string
		err     error
	}
	var running sync.WaitGroup
	replaced := make(chan rotation, 1)
	visits := make([][]entra.Call, rounds*visitors)
	tick := time.NewTicker(length)
	defer tick.Stop()
	for round := range rounds {
		switch round {
		case rounds / 3: // next to calls, not between them
			running.Go(func() {
				dropped, err := s.Rotate()
				replaced <- rotation{dropped, err}
			})
		case rounds * 2 / 3:
			client.SetToken(s.Token())
		}
		for i := range visitors {
			running.Go(func() { visits[round*visitors+i] = client.Visit(ctx) })
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	running.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	done := <-replaced
	if done.err != nil {
		return nil, done.err
	}
	return slices.Concat(visits...), checkRotation(ctx, s, done.dropped)
}

// checkRotation fails unless the rotation was one: the backend refuses the
// token that it dropped, if it had one, and nothing but the vault was asked of
// HTTPS_PROXY.
func checkRotation(ctx context.Context, s *stand.Stand, dropped string) error {
	if err := s.Host.Err(); err != nil {
		return err
	}
	if dropped != "" {
		_, status, err := s.CallBackend(ctx, s.Authority.Pool(), dropped)
		if err != nil {
			return fmt.Errorf("call the backend with its old token: %w", err)
		}
		if status != http.StatusUnauthorized {
			return fmt.Errorf("the backend answers %d to its old token; want 401", status)
		}
	}
	// What else it let through would be calls to the backend.
	if strays := s.Vault.Strays(); len(strays) > 0 {
		return fmt.Errorf("the proxy asked HTTPS_PROXY, which is for the vault alone, for %q", strays)
	}
	return nil
}
