# Everything that is done to this project. `make` alone prints this list.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := go tool -modfile=.ci/tools.mod
TESTBED := go -C e2e/testbed run ./cmd/testbed
STATE   := $(CURDIR)/.testbed
RUN     := $(CURDIR)/.run
# Tests that do the same thousands of times, one after the other, or measure it: there is nothing in them for the race
# detector, under which they take ten times as long.
PLAIN   := ^(TestA25_A26_SecretsStayWhereTheyAre|TestA10_NothingOfWhatIsHiddenIsAnywhere|TestA10_TotalsCountWhatIsShown|TestRightsMatrix|TestA21_NoElementAndNoAttributeComesFromData|TestA21_WhatPeopleTypeIsTextToo|TestA11_WhatOneHasSeenNobodyElseIsShown|TestA24_RevealShowsAValueOnceAndNowhereElse|TestA09_NextLeadsNowhereElse|TestA15_FR6_1_ReadOnlyServerOffersAndDoesNothing|TestA15_FR6_1_ReadOnlyClusterOffersAndDoesNothing|TestFR0_3_NameInTopBarAndTitleOfEveryPage|TestPagesObeyTheirOwnPolicy|TestA26_NoRouteReturnsCredentials|TestHostileAddresses|TestA02_ReadingChangesNothing|TestA07_T07_TimeDoesNotTellWhoExists|TestA07_UnknownUsersCostTheSame|TestA27_TamperingIsFound|TestHistoryIsBounded)$$
# SQLite is C that was translated to Go: checks of its pointers find nothing and cost more than the tests themselves.
RACE    := CGO_ENABLED=1 go test -count=1 -race '-gcflags=modernc.org/...=-d=checkptr=0' -shuffle=on
# These have a browser, and wait for what it shows: they come after everything else.
BROWSER := ./e2e ./views/gallery
export CGO_ENABLED ?= 0

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: generate
generate: ## write what is generated: templ components, SQL code
	$(TOOL) templ generate -path views
	$(TOOL) sqlc generate

.PHONY: build
build: ## build bin/tiga, one static binary
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/tiga ./cmd/tiga

.PHONY: run
ifeq ($(origin KUBECONFIG),command line)
run: build ## start Tiga with three test clusters (or with yours: make run KUBECONFIG=~/.kube/config)
	@exec bin/tiga serve --data-dir $(RUN)/own --kubeconfig '$(KUBECONFIG)'
else
run: build
	@$(TESTBED) up --dir $(STATE)
	@exec bin/tiga serve --data-dir $(RUN)/testbed --kubeconfig $(STATE)/kubeconfig
endif

.PHONY: testbed
testbed: ## build the test clusters' binaries (cached outside the clone) and start production, staging, dev
	@$(TESTBED) up --dir $(STATE)

.PHONY: install
install: ## install what the tests need and this machine lacks (Debian packages)
	@.ci/install

.PHONY: test
test: install ## run every test: race detector, both databases, real clusters, real browser
	@$(TESTBED) build
	go -C e2e/testbed vet ./...
	CGO_ENABLED=1 go -C e2e/testbed test -race -shuffle=on -timeout 20m ./...
	# The browser tests build the program themselves, which the test cache does not see: nothing is taken from it.
	$(RACE) -timeout 30m -skip '$(PLAIN)' $$(go list ./... | grep -vxF "$$(go list $(BROWSER))")
	go test -count=1 -shuffle=on -timeout 20m -run '$(PLAIN)' ./access ./db ./handlers
	$(RACE) -timeout 50m $(BROWSER)

.PHONY: e2e
e2e: install ## run the browser tests alone
	@$(TESTBED) build
	go test -count=1 -timeout 30m ./e2e/...

.PHONY: lint
lint: ## run the linters
	$(TOOL) golangci-lint run ./...

.PHONY: check
check: install ## what continuous integration runs: generated files, lint, known vulnerabilities, tests
	$(MAKE) --no-print-directory generate
	@git diff --exit-code -- . || { echo 'generated files differ: run make generate and commit them' >&2; exit 1; }
	$(TOOL) sqlc diff
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory test

.PHONY: bench
bench: install ## measure, and print the figures for docs/benchmarks.md
	@$(TESTBED) build
	go test -run '^$$' -bench . -benchmem -timeout 30m ./access/... ./db/... ./kube/... ./handlers/...
	# Clusters of 10,000 pods and of 100,000 objects are filled first; TIGA_BENCH_DIR=FOLDER keeps them for the next time,
	# TIGA_BENCH_CHURN=10m changes things for longer than two minutes.
	go test -run '^$$' -bench . -benchtime 1x -timeout 90m ./e2e/...

.PHONY: clean
clean: ## stop the test clusters and remove what was built
	-@$(TESTBED) down --dir $(STATE)
	rm -rf bin .testbed .run coverage.out
