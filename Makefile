# `make` explains the targets. demo and test need Go and a PostgreSQL server;
# scripts/ensure-postgres.sh finds one, or installs or explains what is missing.

GO ?= go
FUZZTIME ?= 5s

.DEFAULT_GOAL := help
.PHONY: help demo test test-portable check build install bench bench-growth bench-smoke chaos fleet model walls repeat interop judges examples deploy browser docs lint vuln vet-systems fuzz-short clean postgres

help: ## show this list
	@echo 'usage: make TARGET'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: postgres ## a web service under load through token expiries and a workspace outage, about 45 s
	@$(GO) run ./cmd/lakebase demo

test: postgres ## gofmt, vet and every test of every module but examples, deploy and browser, with the race detector
	@sh scripts/test.sh

test-portable: postgres ## the proxy's tests without the event loop, as other systems than Linux are served
	$(GO) test -count=1 -vet=off -parallel 8 -tags noeventloop ./proxy ./internal/rawnet

check: ## gofmt and vet only
	@sh scripts/test.sh --check

build: ## build bin/lakebase
	@mkdir -p bin
	$(GO) build -o bin/lakebase ./cmd/lakebase

install: ## install lakebase where go install puts programs
	$(GO) install ./cmd/lakebase

bench: postgres ## measure beside a bare pgxpool and PgBouncer; prints the tables
	@$(MAKE) --no-print-directory -C bench bench

bench-growth: postgres ## how costs grow with clients, results, pools and targets; draws docs/images
	@$(MAKE) --no-print-directory -C bench growth

bench-smoke: postgres ## the same measurements, too short to trust: shows that they run
	@$(MAKE) --no-print-directory -C bench smoke

chaos: postgres ## clients against a model, while servers die and while every fault comes and goes (CHAOS=30m CHAOS_SEED=)
	@CHAOS=$${CHAOS:-30m} $(GO) test -race -count=1 -v -timeout 0 -run 'TestNeverWrong|TestUnderFaults' ./proxy ./chaos

fleet: ## what processes that start together ask of the workspace, before and after outages, in fake time (FLEET=10000)
	@$(GO) test -count=1 -v -timeout 0 -run 'TestFleet' ./internal/tokencache -fleet $${FLEET:-10000}

model: postgres ## sequences of messages at random, by the proxy and by Postgres itself, must agree (MODEL=1000000, SEED=1)
	@$(GO) test -count=1 -v -timeout 0 -run 'TestAgreesWithPostgres' ./internal/txpool -sequences $${MODEL:-1000000} -seed $${SEED:-1}
	@$(GO) test -count=1 -v -timeout 0 -run 'TestAgreesWithServerOnAnything' ./proxy -sequences $$(( $${MODEL:-1000000} / 20 )) -seed $${SEED:-1}

walls: postgres ## changes of a session's state, composed at random: no client may see another's (WALLS=200000, SEED=1, RESET=true)
	@$(GO) test -count=1 -v -timeout 0 -run NoClientSeesAnother ./walls -workers 4 -compositions $${WALLS:-200000} -seed $${SEED:-1} -reset-always=$${RESET:-false}

repeat: postgres ## the whole suite RUNS (20) times, with GOMAXPROCS 1, 2 and 8, with and without -race, some under load
	@sh scripts/repeat.sh

interop: postgres ## other people's clients against the local Lakebase and the proxy
	@$(MAKE) --no-print-directory -C interop interop

judges: postgres ## other people's test suites against the proxy, about 20 min
	@$(MAKE) --no-print-directory -C interop judges

examples: postgres ## every example against the local Lakebase; prints a table
	@sh examples/run.sh

deploy: ## the container, Kubernetes, systemd, Prometheus and Grafana files, each by the program that reads it
	@sh deploy/check.sh

browser: postgres ## the status pages in Chromium, at a phone's and a computer's width (PICTURES=true: docs/images)
	@sh browser/check.sh

docs: ## write the pages in docs/cli and docs/man anew, from the commands' help
	@rm -f docs/cli/*.md docs/man/man1/*.1
	@$(GO) run ./cmd/lakebase man --markdown docs/cli
	@$(GO) run ./cmd/lakebase man docs/man

lint: check ## check, and golangci-lint where it is installed
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; \
	else echo 'golangci-lint is not installed; ran gofmt and vet only'; fi

vuln: ## govulncheck in every module; needs vuln.go.dev, or VULNDB=file:///a/copy
	@sh scripts/vuln.sh

vet-systems: ## vet for macOS and Windows
	@sh scripts/vet-systems.sh

fuzz-short: ## each fuzz target for FUZZTIME (5s), a line each
	@FUZZTIME=$(FUZZTIME) sh scripts/fuzz.sh

clean: ## remove what was built here
	rm -rf bin

postgres:
	@sh scripts/ensure-postgres.sh
