package attack

import (
	"slices"
	"testing"
)

// answerClasses lists what TestHostileBackend tries.
func answerClasses() []class {
	everywhere, overFrames := len(answerPlaces), len(framePlaces)
	return []class{
		{"Answers with two ends, or surplus", "RFC 9112 6.3 and 9.3, CVE-2019-16276, CVE-2021-36221, CVE-2022-1705, CVE-2023-39326, CVE-2025-22871", len(framingVectors()), everywhere},
		{"Answers whose head is none", "RFC 9112 4 and 5, CVE-2019-16276, CVE-2026-42507", len(headVectors()), everywhere},
		{"Interim answers, switched protocols", "RFC 9110 15.2, CVE-2024-24791", len(interimVectors()), everywhere},
		{"Redirects and refusals of the backend", "CVE-2023-45289, CVE-2024-45336, CVE-2025-4673", len(statusVectors()), everywhere},
		{"Private header fields of the backend", "RFC 9110 7.6.1, CVE-2021-33197, CVE-2026-42507", len(fieldVectors()), everywhere},
		{"Answers in gzip", "CVE-2022-30631, CVE-2022-30635", len(codingVectors()), everywhere},
		{"JSON bombs in answers", "RFC 8259, CVE-2022-30635, OWASP API10:2023", len(bombVectors()), 1},
		{"Answers without end", "OWASP API4:2023", len(endlessVectors()), 1},
		{"Another call's answer, under load", "RFC 9112 9.3", queued, 1},
		{"HTTP/2 of the backend", "CVE-2023-45288, CVE-2023-39325, CVE-2022-27664, CVE-2026-33814, CVE-2019-9512, CVE-2019-9513, CVE-2019-9515, CVE-2019-9518, RFC 9113", len(frameVectors()), overFrames},
		{"TLS peers that are not the backend", "CIS NGINX 4.1.9 and 4.1.10, RFC 9525, RFC 5280, CVE-2025-61727, CVE-2025-61729, CVE-2025-68121, CVE-2026-32280, CVE-2026-32281, CVE-2026-33810", len(tlsPeers()), len(tlsPlaces)},
	}
}

// usualMemory is more than a handler takes in a world, twice over, in bytes.
const usualMemory = 64 << 20

// A backend, or somebody in its place, answers what it should not. In no case
// does a client get more than the proxy's own sentence or what the backend may
// say, nor any call another's answer.
func TestHostileBackend(t *testing.T) {
	t.Parallel()
	app, err := build()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("HTTP1", func(t *testing.T) {
		eachVector(t, app, answerPlaces, slices.Concat(framingVectors(), headVectors(), interimVectors(), statusVectors(), fieldVectors(), codingVectors()), usualMemory)
	})
	t.Run("Bombs", func(t *testing.T) {
		eachVector(t, app, []answerPlace{{"bombs-all", false, []string{"NORMALIZE=all"}}}, bombVectors(), usualMemory)
	})
	t.Run("Endless", func(t *testing.T) {
		eachVector(t, app, []answerPlace{{"endless-all", false, []string{"NORMALIZE=all", "BACKEND_TIMEOUT=8s"}}}, endlessVectors(), usualMemory)
	})
	t.Run("Queue", func(t *testing.T) { surplusUnderLoad(t, app) })
	t.Run("HTTP2", func(t *testing.T) { eachFrames(t, app, usualMemory) })
	tried := 0
	for _, class := range answerClasses() {
		tried += class.vectors * class.worlds
	}
	t.Logf("%d vectors times worlds", tried)
	t.Run("TLS", func(t *testing.T) { tlsAttack(t, app) })
}
