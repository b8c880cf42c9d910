package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"example.com/entra-scim-proxy/proxy"
	"example.com/entra-scim-proxy/proxy/token"
)

// The kinds of BACKEND_AUTH.
const (
	authBearer = "bearer"
	authBasic  = "basic"
	authHeader = "header"
	authNone   = "none"
)

// auth is how the backend is shown its secret.
type auth struct{ kind, header string }

func (a *auth) UnmarshalText(text []byte) error {
	kind, header, colon := strings.Cut(string(text), ":")
	switch {
	case kind == authHeader && proxy.CanCarryCredential(header):
	case !colon && (kind == authBearer || kind == authBasic || kind == authNone):
	case kind == authHeader:
		return errors.New("header: without a header that can take it (not shown, it may be a secret)")
	default:
		return errors.New("a value that is none of these (not shown, it may be a secret)")
	}
	*a = auth{kind, header}
	return nil
}

// validate reports why a value cannot be the secret. Nobody knows as long as
// BACKEND_AUTH is bad.
func (a auth) validate(value token.Secret) error {
	switch a.kind {
	case "":
		return nil
	case authBasic:
		return value.ValidatePassword()
	}
	return value.Validate()
}

// read returns a loader of the secret.
func (a auth) read(source token.Source) credentialLoader {
	if a.kind == authBasic {
		return token.ReadPasswords(source)
	}
	return token.ReadCredentials(source)
}

// username is the user of HTTP Basic (RFC 7617 section 2).
type username string

var userName = regexp.MustCompile(`^[^:[:cntrl:]\x{80}-\x{9f}]+$`)

func (u *username) UnmarshalText(text []byte) error {
	if !userName.Match(text) || !utf8.Valid(text) || len(bytes.TrimSpace(text)) < len(text) {
		return errors.New("a text with a colon or with blanks around it, or what is no text (not shown, it may hold a password)")
	}
	*u = username(text)
	return nil
}

// groups is who answers for groups.
type groups string

// stubbed is the proxy itself.
const stubbed groups = "stub"

func (g *groups) UnmarshalText(text []byte) error {
	*g = groups(text)
	if *g != "forward" && *g != stubbed {
		return fmt.Errorf("%q", text)
	}
	return nil
}
