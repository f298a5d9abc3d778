# The program as one static file: `docs/binary.md` says how it is made and what it costs.

BINARY := dist/orch-executor-cf-worker
BINARY_SOURCES := $(shell find exec_cf build/freeze build/toolchain -type f -not -path '*/__pycache__/*') \
  build/freeze.sh build/toolchain.sh build/sbom.py requirements/binary.txt

.PHONY: binary
binary: $(BINARY) ## build the one-file program and its SBOM into dist/

$(BINARY): $(READY) $(BINARY_SOURCES)
	toolchain=$$(build/toolchain.sh $(BIN)/python) && \
	  build/freeze.sh "$$toolchain" "$$($(BIN)/hatchling version)" $@ && \
	  SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python build/sbom.py "$$toolchain" .cache/binary/report.xml $@ > $@.cdx.json

.PHONY: test-binary
test-binary: $(BINARY) worker ## run the process tests and those of the file alone against the one-file program
	$(BIN)/python -m pytest --program $(BINARY) --numprocesses 2 --dist loadfile tests/process tests/binary \
	  --ignore tests/binary/test_debian.py

.PHONY: test-debian
test-debian: $(BINARY) ## run the one-file program in an old and a new Debian (slow, needs root)
	[ -x /usr/sbin/debootstrap ] || apt-get -qq install --yes --no-install-recommends debootstrap
	$(BIN)/python -m pytest --program $(BINARY) tests/binary/test_debian.py

.PHONY: bench
bench: $(BINARY) ## measure the one-file program against node and python3
	START=start_profiled build/freeze.sh "$$(build/toolchain.sh $(BIN)/python)" 0.0.0 .cache/profiled
	$(BIN)/python build/bench.py $(BINARY) .cache/profiled
