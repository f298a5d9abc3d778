# The program as one static file; see `docs/binary.md`.

# The platform to build for: macos-arm64, macos-x86_64, or linux-aarch64 under emulation; empty for this machine's.
PLATFORM ?=
MACOS := $(filter macos-%,$(PLATFORM))
EMULATED := $(if $(filter linux-aarch64,$(PLATFORM)),build/binary/as_aarch64.sh)
TOOLCHAIN = $(EMULATED) build/binary/toolchain.sh $(BIN)/python $(filter-out linux-aarch64,$(PLATFORM))
# SNAPSHOT=0 builds for Linux without a snapshot, as for macOS.
SNAPSHOT ?= 1
BINARY_VARIANT := $(if $(PLATFORM),$(PLATFORM),$(if $(filter 0,$(SNAPSHOT)),ordinary))
BINARY := dist/$(if $(BINARY_VARIANT),$(BINARY_VARIANT)/)orch-executor-cf-worker
BINARY_WORK := .cache/binary$(if $(BINARY_VARIANT),-$(BINARY_VARIANT))
BINARY_SOURCES := $(shell find exec_cf $(addprefix build/binary/,freeze snapshot toolchain) -type f -not -path "*/__pycache__/*") \
  build/binary/freeze.sh build/binary/toolchain.sh build/binary/as_aarch64.sh build/binary/sbom.py worker/package-lock.json requirements/binary.txt requirements/macos.txt

.PHONY: binary
binary: $(BINARY) ## build the one-file program and its SBOM into dist/; PLATFORM=macos-arm64 for another platform, SNAPSHOT=0 for an ordinary start

$(BINARY): $(READY) $(BINARY_SOURCES) $(WORKER_MODULE)
	toolchain=$$($(TOOLCHAIN)) && version=$$($(BIN)/hatchling version) && \
	  SNAPSHOT=$(SNAPSHOT) WORK=$(CURDIR)/$(BINARY_WORK) $(EMULATED) build/binary/freeze.sh "$$toolchain" "$$version" $@ && \
	  SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	  $(BIN)/python build/binary/sbom.py "$$toolchain" $(BINARY_WORK)/report.xml $@ "$$version" > $@.cdx.json

# A file for macOS may not run here, but its format can be tested.
BINARY_TESTS := $(if $(MACOS),tests/binary/test_file.py tests/binary/test_macho.py,tests/process tests/binary tests/snapshot)
ORDINARY := dist/ordinary/orch-executor-cf-worker

.PHONY: test-binary
test-binary: $(BINARY) worker ## run the process tests and those of the file alone against the one-file program
	$(if $(MACOS),,$(MAKE) binary SNAPSHOT=0 PLATFORM=)
	TOOLCHAIN=$$($(TOOLCHAIN)) \
	  $(EMULATED) $(BIN)/python -m pytest --program $(BINARY) --numprocesses 2 --dist loadfile $(BINARY_TESTS) \
	  --ignore tests/binary/test_debian.py

.PHONY: test-debian
test-debian: $(BINARY) ## run the one-file program in an old and a new Debian (slow, needs root)
	[ -x /usr/sbin/debootstrap ] || { apt-get -qq update && apt-get -qq install --yes --no-install-recommends debootstrap; }
	$(BIN)/python -m pytest --program $(BINARY) tests/binary/test_debian.py

# The file that a spawn is measured against: an older one, or the same program without its snapshot.
AGAINST ?= $(ORDINARY)

.PHONY: bench
bench: $(BINARY) ## measure the one-file program; AGAINST=FILE names an older one to measure it against
	$(if $(filter $(ORDINARY),$(AGAINST)),$(MAKE) binary SNAPSHOT=0)
	PYTHONPATH=. $(BIN)/python build/binary/bench.py $(BINARY) $(AGAINST)
