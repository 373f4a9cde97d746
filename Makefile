# make test   installs the servers that the tests need, then runs every test
# make race   every test under the race detector
# make long   the sweeps of the simulated rooms whole, not sampled, and what takes minutes on a real Consul: an hour
# make model  every state that a move of the writer can get into with two faults: half an hour, 3 GB
# make torture  hundreds of moves of the writer on real rings while everything goes wrong, then mistakes planted in it: hours
# make lab    two rooms of real servers on this machine, until Ctrl-C
# make lint   gofmt, go vet, staticcheck, golangci-lint
# make bench  every benchmark
# make bench-writer  how long nobody takes writes while the write role moves, by engine and delay of the line, beside the bare algorithm

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
GOLANGCI = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0

.PHONY: test race long model torture deps lab lint bench bench-writer build

build:
	$(GO) build ./...

# Servers are taken from PATH, from ROOMSHIFT_<NAME>, or from the folder $$ROOMSHIFT_DEPS (see lab/server.Deps).
deps:
	@for s in lab/deps/*.sh; do bash "$$s" || { echo "$$s failed: the line above says how to get it by hand" >&2; exit 1; }; done

# The program under load has the machine to itself: its gates would judge whatever else runs.
test: deps
	$(GO) vet ./...
	$(GO) test -timeout 30m $$($(GO) list ./... | grep -v /lab/cutovers)
	$(GO) test -timeout 30m ./lab/cutovers
	$(GO) test -race -short -timeout 30m ./cmd/... ./consul ./dns/... ./metrics ./cutover/journal ./runbooks

# The race detector over everything; it takes its time.
race: deps
	$(GO) test -race -short -timeout 60m ./...

# See cutover/states_sim_test.go and cutover/moments_sim_test.go; and what an agent's own sync leaves.
long:
	$(GO) test -timeout 12h -run 'TestBackFromEveryState|TestMoments' ./cutover -long
	$(GO) test -timeout 30m -run 'TestAgentKeeps|TestHAProxyObeys' ./consul -long

# See cutover/writer/MUTANTS.md.
model:
	GOMEMLIMIT=3GiB $(GO) test -timeout 12h -run 'TestExplorer|TestMutants|TestEveryCase' -v ./cutover/writer -long

# See torture/doc.go and torture/MUTANTS.md. MOVES=1000 SEED=7 say others.
MOVES ?= 300
SEED ?= 0
torture: deps
	$(GO) test -timeout 12h -run 'TestTorture$$' -v ./torture -moves $(MOVES) -seed $(SEED)
	$(GO) test -timeout 12h -run 'TestMutants$$' -v ./torture -mutants

lab: deps
	$(GO) run ./lab/cmd/roomshift-lab

lint:
	@out="$$(gofmt -l .)"; [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(GOLANGCI) run ./...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# See torture/bench_test.go: thirty moves of each engine at each delay, and thirty by the bare algorithm in turns with them.
bench-writer: deps
	$(GO) test -run '^$$' -bench BenchmarkMove -benchtime 30x -timeout 120m ./torture
