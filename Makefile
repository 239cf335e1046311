# make run      builds eclat and prints a paragraph from the built-in model
# make test     lint, other systems, the tests, the ops and a model on every Vulkan driver;
#               installs what the tests need where it may, and says at its end what was
#               not checked
# make test-long  the race detector; the rest of the GPU's tests, the bits of models in every
#               way, and the doctor, on every driver
# Of what takes long each driver takes a share of each kind of case, and other cases than the
# others; both say at their end what that leaves out. ALL=1 leaves nothing out: hours
#
# make drivers  fetches a newer Vulkan driver and the shaders' compiler into bin/drivers
# make race     the packages with goroutines under the race detector
# make cross    builds and vets for linux, windows and darwin, arm64 and amd64, without cgo
#               and simd (ALL=1: each with each)
# make bench    every benchmark; no test measures time
# make bench-peers  measures one to four machines, on slow lines too; writes BENCHMARKS.md
# make golden   recomputes every golden value (testdata/oracle/README.md)
# make fuzz     a minute of fuzzing for each fuzz target

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
FUZZTIME    = 60s
BENCH       = .
BENCHTIME   = 200ms
VERSION    := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The processor's fast kernels need simd/archsimd; a build without it has plain ones.
export GOEXPERIMENT = simd

# LONG are tests that are left to test-long; SHORT are those of the GPU that make test runs
# on every driver, so that test-long runs the others.
LONG  = ^Test(Kernels|Fused|AttentionShapes|Faults|Answers|FitIsWhatIsHeld|OpenCloseCycles|ChoicesFile|ChecksFile|AskKernels|NoCache|Sound|GPUGreedyAgrees|BitsOfAll|FamiliesOfAll|ModelsPage|Steady)$$
SHORT = ^Test(Conformance|Enumerate|Dispatch|ValidationIsHeard)$$|^TestGolden$$/^sotu-8m-q4_k_m

# Each driver takes its share of what takes long (model/conformance/deal.go): one case in so
# many of each kind, at least one of each, and other cases than the other drivers. OPS- is
# that of make test, the ops; SHARE- that of test-long.
OPS-             = 0/3
OPS-lavapipe     = 1/3
OPS-lavapipe-new = 2/6
OPS-swiftshader  = 10/64
SHARE-             = 0/32
SHARE-lavapipe     = 3/32
SHARE-lavapipe-new = 5/32
SHARE-swiftshader  = 10/64
ops   = $(if $(ALL),,ECLAT_SHARE=$(OPS-$*))
share = $(if $(ALL),,ECLAT_SHARE=$(SHARE-$*))
doctor = doctor $(if $(ALL),,--quick)
# FILES are tests of files in the cache and of measuring shapes for them: on every driver
# the same, and minutes on SwiftShader.
FILES = ^Test(ChoicesFile|ChecksFile)$$|^TestVariations$$/^tuned$$
# SLOW are tests that a driver is left out of, and WHY says why: SwiftShader compiles some
# products of bytes for minutes each, and whatever opens models again and again takes minutes.
SLOW-swiftshader = |^Test(EveryShape|Greedy|Variations|Profile|HostSamples)$$|^TestKernels$$/^dot$$/^matmul$$/^IQ|^TestFaults$$/^every_variant$$
WHY-swiftshader  = every shape of a product, attention wrong in every variant, 200 greedy tokens and where a model is tuned, timed or sampled are tried on the other drivers alone: this one compiles some for minutes

# ONES are the parts of the conformance suite that are about one op each.
ONES  = embed|rmsnorm|l2norm|layernorm|matmul|matmul_experts|rope|store|attention|conv|deltarule|scan|act|swiglu|add|mul|slice|gather|route|combine|sample

RACE      = ./engine ./gpu ./cpu ./loader ./loader/fragment ./cmd/eclat/out
PLATFORMS = linux/arm64 windows/amd64 darwin/arm64 $(if $(ALL),linux/amd64 windows/arm64 darwin/amd64)

.PHONY: build run test test-long lint unit gpu long race cross bench bench-peers golden fuzz deps drivers mutate clean

build:
	go build -ldflags '-X main.version=$(VERSION)' -o bin/eclat ./cmd/eclat

run: build
	./bin/eclat run -n 160

# The Vulkan drivers that .ci/on finds beside the one that unit and long run on: the
# loader's first device, which is lavapipe where there is no card.
OTHERS = $(filter-out $(if $(wildcard /dev/dri/renderD*),,lavapipe),$(shell sh .ci/on))

test: deps drivers build
	@$(MAKE) --no-print-directory lint cross
	@$(MAKE) --no-print-directory -j 2 unit gpu $(OTHERS:%=driver-%)
	$(call skipped,unit gpu $(OTHERS:%=driver-%))

test-long: deps drivers build
	@$(MAKE) --no-print-directory -j 3 $(OTHERS:%=long-%) long race
	$(call skipped,long race $(OTHERS:%=long-%) $(OTHERS:%=long-%-engine))

# skipped prints why the named runs left something out.
define skipped
	@for run in $(1); do \
		if [ -s bin/skipped.$$run ]; then echo "make $$run did not check, because"; cat bin/skipped.$$run; fi; \
	done
endef

lint:
	@echo "gofmt, go vet, staticcheck"
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); if [ -n "$$files" ]; then echo "not formatted:" $$files; exit 1; fi
	@go vet ./...
	@go run $(STATICCHECK) ./...

# tested runs go test with the flags and packages, and the variables, given, prints what
# .ci/report.awk makes of it, and fails as go test does.
define tested
	@mkdir -p bin; rm -f bin/failed.$(1); echo "$(3) go test $(subst $$,\$$,$(2))"; \
	{ $(3) go test -json $(2) || touch bin/failed.$(1); } 2>&1 | awk -v skips=bin/skipped.$(1) -f .ci/report.awk; \
	if [ -e bin/failed.$(1) ]; then rm bin/failed.$(1); exit 1; fi
endef

unit: # the longest first, so that the others run beside them
	$(call tested,unit,-timeout 30m -skip '$(LONG)' ./engine ./cmd/eclat ./serve/web $$(go list ./... | grep -v '^eclat/gpu$$'))

gpu:
	$(call tested,gpu,-timeout 30m -skip '$(LONG)' ./gpu,$(ops))

race: # of the suite the small model of all ops, with its batches and threads; op by op it takes minutes under the detector
	$(call tested,race,-race -short -timeout 30m -skip '^TestConformance/($(ONES))$$' $(RACE))

# on says what a driver is; ON has go test run on it.
ON = -count=1 -exec 'sh "$(CURDIR)/.ci/on" $*'
define on
	@sh .ci/on $* bin/eclat devices | awk -v name=$* '/^vulkan:0/ { print name ": " substr($$0, 13) } /^  (driver|features)/; /^$$/ { exit }'
endef

driver-%:
	$(on)
	$(call tested,$@,$(ON) -timeout 30m -run '$(SHORT)' ./gpu ./gpu/vk,$(ops))

long:
	$(call tested,$@,-timeout 60m -run '$(LONG)' ./engine ./gpu ./engine/compare ./model/conformance ./cmd/eclat ./serve,$(share))
	$(if $(ALL),bin/eclat doctor)

# On another driver what has no GPU in it is as it was on the first.
long-%:
	$(on)
	$(call tested,$@,$(ON) -timeout 60m -skip '$(SHORT)$(if $(ALL),,|$(FILES)$(SLOW-$*))' ./gpu ./gpu/vk,$(share))
	$(if $(ALL),,@printf '  %s; ALL=1 has them here\n' 'the files of measured shapes and of checks are tried on the first driver alone' $(if $(WHY-$*),'$(WHY-$*)') >>bin/skipped.$@)
	$(call tested,$@-engine,$(ON) -timeout 30m -run '^Test(Bits|Golden)$$/./(ref|vulkan)' ./engine,$(share))
	@sh .ci/on $* bin/eclat $(doctor) --device vulkan:0

# Without cgo there is no GPU, and without GOEXPERIMENT=simd the plain kernels are all;
# the rest must build and vet everywhere.
cross:
	@for p in $(PLATFORMS); do \
		echo "go build, go vet: $$p"; \
		export GOEXPERIMENT= CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/}; \
		go build -o /dev/null ./... && go vet ./... || exit 1; \
	done

bench:
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -timeout 60m -p 1 ./...

bench-peers:
	@mkdir -p bin; go run ./cmd/bench-peers > bin/benchmarks.md && mv bin/benchmarks.md BENCHMARKS.md && cat BENCHMARKS.md

# GOLDEN: flags of testdata/oracle/all.py; PEER: where llama.cpp is installed.
golden:
	@for p in python3 /usr/bin/python3; do \
		if $$p -c 'import numpy' 2>/dev/null; then PEER='$(PEER)' exec $$p -B testdata/oracle/all.py $(GOLDEN); fi; \
	done; echo "make golden needs Python 3 with numpy: apt-get install python3-numpy"; exit 1

fuzz:
	@grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*' . | sed 's|^\./\(.*\)/[^/]*:[0-9]*:func |\1 |' | \
	while read -r package target; do \
		echo "$$package $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "./$$package" || exit 1; \
	done

deps:
	@sh .ci/deps

drivers:
	@sh .ci/drivers

clean:
	rm -rf bin

# mutate: which test notices which changed op (docs/mutations.md); NEW=1 tries those alone
# that the page has no row of. Interrupted, it writes what it has.
mutate:
	go run ./model/conformance/mutate $(if $(NEW),-new) -o docs/mutations.md
