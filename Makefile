# simengine. `make run` and `make test` install what is missing, build in release and go.

PREFIX ?= /usr/local
CONFIG ?= Configs/quickstart.json
SWIFT ?= swift
# With Swift's own libraries inside, an installed binary needs no Swift, and starts in two thirds of the time.
BUILD = $(SWIFT) build -c release --static-swift-stdlib
BINARY = .build/release/simengine

PACKAGES = libopenblas-dev liblapacke-dev zlib1g-dev gnuplot-nox
# chromium opens the pages that `simengine report` writes; Slurm's run a cluster on the loopback.
TEST_PACKAGES = dataset-fashion-mnist strace chromium slurmctld slurmd slurm-client munge

.PHONY: run build test install uninstall schema lint format clean dependencies test-dependencies reference

run: build
	$(BINARY) run $(CONFIG) --resume

build: dependencies
	$(BUILD) --product simengine

# Every test, in the configuration that users run.
test: build test-dependencies
	$(SWIFT) build -c release --build-tests -Xswiftc -enable-testing --scratch-path .build-tests
	$(SWIFT) test -c release --skip-build -Xswiftc -enable-testing --scratch-path .build-tests
	Tests/schema.sh $(BINARY)
	Tests/slurm.sh $(BINARY)

dependencies:
	@./Scripts/install-packages $(PACKAGES)

test-dependencies:
	@./Scripts/install-packages $(TEST_PACKAGES)

# The binary finds its data in ../share/simengine beside it.
install: build
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/simengine
	install -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/simengine
	cp -R Data Configs $(DESTDIR)$(PREFIX)/share/simengine/

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/simengine
	rm -rf $(DESTDIR)$(PREFIX)/share/simengine

# Configs/schema.json is made from the same table as the decoder; a test holds the two together.
schema: build
	$(BINARY) schema > Configs/schema.json

lint:
	$(SWIFT) format lint --strict --recursive Sources Tests Benchmarks/Sources Package.swift Benchmarks/Package.swift

format:
	$(SWIFT) format --in-place --recursive Sources Tests Benchmarks/Sources Package.swift Benchmarks/Package.swift

# The tables in Results/Reference.
reference: build test-dependencies
	./Scripts/make-reference

clean:
	rm -rf .build .build-tests Benchmarks/.build
