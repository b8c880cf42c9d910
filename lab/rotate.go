package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"example.com/entra-scim-proxy/lab/entra"
	"example.com/entra-scim-proxy/lab/vault"
)

// rotate replaces both tokens while Entra calls, and returns the calls. After a
// third of them both get new versions in the vault, and the backend drops its
// old token at once. After two thirds somebody has typed the new token into the
// portal, and Entra presents it.
func (s *stand) rotate(ctx context.Context) ([]entra.Call, error) {
	// 20 visits of three calls each, in 3 s.
	const rounds, visitors, length = 10, 2, 300 * time.Millisecond
	dropped, next := s.backendToken, newToken()
	former, err := s.entraClient(s.entraToken)
	if err != nil {
		return nil, err
	}
	defer former.Close()
	renewed, err := s.entraClient(next)
	if err != nil {
		return nil, err
	}
	defer renewed.Close()

	var running sync.WaitGroup
	replaced := make(chan error, 1)
	visits := make([][]entra.Call, rounds*visitors)
	tick := time.NewTicker(length)
	defer tick.Stop()
	for round := range rounds {
		client := former
		switch {
		case round == rounds/3: // next to calls, not between them
			running.Go(func() { replaced <- s.replaceTokens(next, newToken()) })
		case round >= rounds*2/3:
			client = renewed
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
	if err := <-replaced; err != nil {
		return nil, err
	}
	return slices.Concat(visits...), s.checkRotation(ctx, dropped)
}

func (s *stand) entraClient(token string) (*entra.Client, error) {
	return entra.New(entra.Options{TenantURL: s.tenantURLs()[1], Token: token})
}

// replaceTokens gives both tokens new versions in the vault, and the backend
// its new token.
func (s *stand) replaceTokens(entraToken, backendToken string) error {
	s.entraToken, s.backendToken = entraToken, backendToken
	s.vault.Set(entraTokenName, vault.Secret{Value: entraToken})
	// First the vault: a proxy that is refused reads it again right away.
	s.vault.Set(backendTokenName, vault.Secret{Value: backendToken})
	return s.tellBackend(backendChange{Token: backendToken})
}

// checkRotation fails unless the rotation was one: the backend refuses the
// token that it dropped, and nothing but the vault was asked of HTTPS_PROXY.
func (s *stand) checkRotation(ctx context.Context, dropped string) error {
	if err := s.death(); err != nil {
		return err
	}
	_, status, err := callBackend(ctx, s.backendAddress, s.authority.Pool(), dropped)
	if err != nil {
		return fmt.Errorf("call the backend with its old token: %w", err)
	}
	if status != http.StatusUnauthorized {
		return fmt.Errorf("the backend answers %d to its old token; want 401", status)
	}
	// What else it let through would be calls to the backend.
	if strays := s.vault.Strays(); len(strays) > 0 {
		return fmt.Errorf("the proxy asked HTTPS_PROXY, which is for the vault alone, for %q", strays)
	}
	return nil
}
