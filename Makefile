# Works with GNU Make 3.81, which is what macOS ships: no .ONESHELL, no $(file).

GO ?= go
TOOL = $(GO) tool -modfile=.tools/go.mod
SCRIPTS = .ci/run $(shell find . -name '*.sh' -not -path './.git/*' -not -path './build/*')

# These are for recipes to spell out as flags; in the environment they would
# reach the handler, which reads two of them.
unexport PORT ONCE NORMALIZE VAULT PROFILE RG APP LOCATION PARAMS FUZZ FUZZTIME SOAK
port = $(if $(PORT),--port $(PORT))
normalize = $(if $(NORMALIZE),--normalize $(NORMALIZE))
once = $(if $(filter-out 0,$(ONCE)),--once)
vault = $(if $(filter-out 0,$(VAULT)),--vault)
profile = $(if $(PROFILE),--profile $(PROFILE))

# One word for the shell, whatever is in it.
quote = '$(subst ','\'',$(1))'

.DEFAULT_GOAL := help
.PHONY: help run test e2e check fuzz soak bench package sbom deploy publish infra start clean handler app need-go need-func

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: app ## Entra, the proxy and a SCIM backend on this machine, and a window onto them; ONCE=1 exits after the calls, PORT=N replaces 7071, PROFILE=guard is another backend, NORMALIZE=none shows what fails without the rules, VAULT=1 adds a rotation
	CGO_ENABLED=0 $(GO) run ./lab run --app bin/app $(once) $(port) $(profile) $(normalize) $(vault)

# One package at a time: a load test must not share the processors with a browser
# or a benchmark. -count=1: some tests build the handler when they run, which
# the cache of results does not see.
test: need-go ## vet, staticcheck, and all tests with the race detector
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	$(GO) test -p 1 -count=1 -race -shuffle=on ./...
	cd .tools && $(GO) vet ./... && $(GO) test ./...

# On a machine that cannot run what Azure runs, it is the same built for here.
ifeq ($(shell uname -sm),Linux x86_64)
e2e_app = dist
e2e: package
else
e2e_app = bin/app
e2e: app
endif
e2e: ## the package under the Functions host, between Entra and every backend of the field, in both dialects; E2E_SCALE=1 adds a company of 10,000
	E2E_APP=$(CURDIR)/$(e2e_app) $(GO) test -count=1 -timeout 30m ./lab/e2e

# gofmt -l lists files and exits 0, hence the test for an empty list.
check: need-go ## formatting, go fix, go mod tidy, lint, actionlint, shellcheck, licences, secrets, known vulnerabilities: what CI asks for besides the tests
	@bad=$$("$$($(GO) env GOROOT)/bin/gofmt" -s -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted, run gofmt -s -w on:" $$bad >&2; exit 1; fi
	$(GO) fix -diff ./...
	$(GO) mod tidy -diff
	$(TOOL) golangci-lint run ./...
	cd .tools && $(GO) tool golangci-lint run ./...
	$(TOOL) actionlint .github/workflows/*.yml
	@if command -v shellcheck >/dev/null; then echo shellcheck $(SCRIPTS); shellcheck $(SCRIPTS); \
	else echo "skipped: shellcheck is not installed"; fi
	$(GO) run -C .tools ./licenses
	bash .tools/secrets.sh
	$(GO) run -C .tools ./vulns

fuzz: need-go ## every fuzz target for FUZZTIME (30s), one after the other; FUZZ=Name is one alone
	@bash .tools/fuzz.sh $(call quote,$(FUZZTIME)) $(call quote,$(FUZZ))

soak: need-go ## Entra's calls, 100 a second, for SOAK=30m, with a rotation every minute: what the proxy has of the machine must not grow
	SOAK=$(or $(SOAK),30m) $(GO) test -count=1 -timeout 0 -run '^TestSoak$$' -v ./lab

bench: handler ## the proxy's cost per request next to a plain ReverseProxy's, and that of the rules
	CGO_ENABLED=0 $(GO) run ./lab bench --handler bin/handler

package: need-go ## dist/ and dist.zip, byte-reproducible, for Azure
	$(GO) run ./infra/package

sbom: package ## dist.sbom.json: what is linked into the package, as CycloneDX
	$(GO) run -C .tools ./sbom

deploy: ## with az: the Bicep template into resource group RG, which LOCATION makes if it is not there; PARAMS=file.bicepparam replaces infra/bicep/main.bicepparam
	@bash infra/deploy.sh $(call quote,$(RG)) $(call quote,$(LOCATION)) $(call quote,$(PARAMS))

publish: package ## the package to function app APP of resource group RG, with Core Tools or az
	@bash infra/publish.sh $(call quote,$(APP)) $(call quote,$(RG))

infra: need-go ## Bicep, Terraform, queries and workflows: everything about them that can be checked here
	@bash infra/check.sh

start: need-func need-go ## build/local/ under the real Functions host (Azure Functions Core Tools)
	$(GO) run ./infra/package -local build/local
	cd build/local && func start $(port)

clean: ## remove what was built; local settings in build/ stay
	rm -rf bin dist dist.zip dist.sbom.json
	@if [ -d build ]; then find build -type f ! -name local.settings.json -delete; \
	find build -depth -type d -empty -delete; fi

# -buildvcs=false: in a clone that someone else owns (a container, CI) git
# refuses to answer and the build would stop. The version is handler/VERSION.
# CGO_ENABLED=0: as in the package, and no C compiler needed. The lab is built
# the same way, or half the standard library would be compiled twice.
handler: need-go
	CGO_ENABLED=0 $(GO) build -buildvcs=false -o bin/handler ./handler

# bin/app: what dist/ holds, built for this machine.
app: handler
	@mkdir -p bin/app/scim
	cp bin/handler host.json bin/app/
	cp function.json bin/app/scim/

# go version, not go env: in this module an older go refuses `go env` with
# words of its own.
need-go:
	@v=$$($(GO) version 2>/dev/null | awk '{ print $$3 }'); \
	minor=$${v#go1.}; minor=$${minor%%[!0-9]*}; \
	if [ -z "$$v" ]; then echo "This needs Go 1.26 or newer, and there is no working \"$(GO)\" here: https://go.dev/dl/" >&2; exit 1; fi; \
	if [ "$${minor:-99}" -lt 26 ]; then echo "This needs Go 1.26 or newer, and \"$(GO)\" is $$v: https://go.dev/dl/" >&2; exit 1; fi

# The host of an older release may not know customHandler.enableProxyingHttpRequest
# and would send the handler an envelope of its own instead of Entra's call.
need-func:
	@v=$$(func --version 2>/dev/null); \
	case "$$v" in [5-9].*|[1-9][0-9]*.*|4.[5-9].*|4.[1-9][0-9]*.*) exit 0;; esac; \
	echo "make start needs Azure Functions Core Tools 4.5.0 or newer; found: $${v:-none}." >&2; \
	echo "  any system  npm i -g azure-functions-core-tools@4" >&2; \
	echo "  macOS       brew tap azure/functions && brew install azure-functions-core-tools@4" >&2; \
	echo "  Windows     winget install Microsoft.Azure.FunctionsCoreTools" >&2; \
	echo "  docs        https://learn.microsoft.com/azure/azure-functions/functions-run-local" >&2; \
	echo "make run needs none of it." >&2; \
	exit 1
