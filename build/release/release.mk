# Releases; see `docs/releasing.md`. `VERSION=1.2.3` forces the version, which otherwise comes from the tag.

ifdef VERSION
export SETUPTOOLS_SCM_PRETEND_VERSION := $(VERSION)
endif
# Every file in a release has the date of its commit.
RELEASE_ENV = SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} PATH="$(CURDIR)/$(RELEASE_BIN):$$PATH"
RELEASE_VENV := .cache/release
RELEASE_BIN := $(RELEASE_VENV)/bin
RELEASE_READY := $(RELEASE_VENV)/.ready
RELEASE_BINARY = $(BINARY)
RELEASE_PLATFORM = $(or $(PLATFORM),$$($(BIN)/python build/release/platforms.py))
# The version of the last built binary, which may not run on this machine.
BUILT_VERSION = $$($(BIN)/python -c 'import json, sys; print(json.load(sys.stdin)["metadata"]["component"]["version"])' \
  <$(RELEASE_BINARY).cdx.json)
RELEASE_VERSION = $$($(BIN)/python build/release/version.py)

$(RELEASE_READY): requirements/release.txt
	$(PYTHON) -m venv $(RELEASE_VENV)
	$(RELEASE_BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/release.txt
	touch $@

.PHONY: dist
dist: $(READY) ## package this machine's binary, the Python package and the Worker into dist/
	$(MAKE) clean-dist
	$(MAKE) dist-platform
	$(MAKE) dist-anywhere
	$(MAKE) assemble

.PHONY: assemble
assemble: $(READY)
	$(BIN)/python build/release/package_installer.py "$(RELEASE_VERSION)" dist
	$(BIN)/python build/release/checksums.py dist

.PHONY: check-complete
check-complete: $(READY)
	$(BIN)/python build/release/complete.py "$(RELEASE_VERSION)" dist

.PHONY: clean-dist
clean-dist:
	rm -f dist/orch*.tar.gz dist/*.whl dist/*.tgz dist/*-[0-9]*.cdx.json dist/*.oci.tar dist/install.sh dist/SHA256SUMS

# The version is no prerequisite of the binary, so the binary is removed here if its version has changed.
.PHONY: dist-platform
dist-platform: $(READY) ## package one platform's binary into dist/; PLATFORM=macos-arm64 for another one
	@test -e $(RELEASE_BINARY).cdx.json && test "$(BUILT_VERSION)" = "$(RELEASE_VERSION)" || rm -f $(RELEASE_BINARY)
	$(MAKE) binary
	$(RELEASE_ENV) $(BIN)/python build/release/package_binary.py $(RELEASE_BINARY) $(RELEASE_BINARY).cdx.json \
	  "$(RELEASE_PLATFORM)" "$(RELEASE_VERSION)" dist

.PHONY: dist-anywhere
dist-anywhere: $(READY)
	$(MAKE) worker
	$(RELEASE_ENV) $(BIN)/python build/release/package_worker.py worker "$(RELEASE_VERSION)" dist
	$(RELEASE_ENV) $(BIN)/python build/release/package_python.py "$(RELEASE_VERSION)" dist

.PHONY: image
image: $(READY) ## build the image of this machine's binary into dist/ (Linux, needs buildah or root on Debian)
	@command -v buildah >/dev/null || { apt-get -qq update && apt-get -qq install --yes --no-install-recommends buildah >/dev/null; }
	$(RELEASE_ENV) build/release/image.sh $(RELEASE_BINARY) "$$($(BIN)/python build/release/platforms.py --oci)" "$(RELEASE_VERSION)" \
	  "dist/orch-executor-cf-worker-$(RELEASE_VERSION)-$$($(BIN)/python build/release/platforms.py).oci.tar"

.PHONY: images
images: $(READY)
	$(RELEASE_ENV) build/release/images.sh "$(RELEASE_VERSION)" dist

.PHONY: check-dist
check-dist: $(RELEASE_READY) ## check the packages in dist/ as strictly as a package index does
	$(RELEASE_BIN)/twine check --strict dist/*.whl dist/orch_executor_cf_worker-*.tar.gz
	$(RELEASE_BIN)/check-wheel-contents dist/*-none-any.whl
	# W007: there is no library in a wheel that holds only the binary.
	$(RELEASE_BIN)/check-wheel-contents --ignore W007 dist/*_*_*-py3-none-[lm]*.whl

.PHONY: test-release
test-release: $(READY) $(RELEASE_READY) $(WORKER_READY) ## install each package in dist/ into a clean place and run it
	$(RELEASE_ENV) $(BIN)/python -m pytest tests/release -m slow

# A file for macOS is built on Linux, so this is where it runs for the first time.
PACKAGED := .cache/packaged/orch-executor-cf-worker

.PHONY: test-packaged
test-packaged: $(READY) worker ## run the tests of the binary against the one in this platform's archive in dist/
	rm -rf $(dir $(PACKAGED)) && mkdir -p $(dir $(PACKAGED))
	platform=$$($(BIN)/python build/release/platforms.py) && \
	  tar -xzf dist/orch-executor-cf-worker-*-$$platform.tar.gz -C $(dir $(PACKAGED)) --strip-components 1 && \
	  cp dist/orch-executor-cf-worker-*-$$platform.cdx.json $(PACKAGED).cdx.json
	$(BIN)/python -m pytest --program $(PACKAGED) tests/process tests/binary --ignore tests/binary/test_debian.py

.PHONY: rehearse-release
rehearse-release: ## do everything that a release does, up to the upload: make rehearse-release VERSION=1.2.3
	@test -n "$(VERSION)" || { echo "make rehearse-release: say VERSION=1.2.3" >&2; exit 64; }
	$(MAKE) dist
	if command -v buildah >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; }; then $(MAKE) image; fi
	$(MAKE) check-dist
	$(MAKE) test-release
	# Whatever is run next is of this tree's own version again.
	env -u SETUPTOOLS_SCM_PRETEND_VERSION $(MAKE) VERSION= worker

AUDIT := .cache/audit
AUDIT_BIN := $(AUDIT)/venv/bin
AUDIT_READY := $(AUDIT)/venv/.ready

$(AUDIT_READY): requirements/audit.txt
	$(PYTHON) -m venv $(AUDIT)/venv
	$(AUDIT_BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	touch $@

# Each of the three may fail or be unreachable, which the script reports.
.PHONY: audit
audit: $(READY) $(AUDIT_READY) ## check whether a pin has a newer release or a known vulnerability
	build/binary/toolchain/fetch.sh $(CURDIR)/$(AUDIT)/sources --list > $(AUDIT)/listed || true
	$(AUDIT_BIN)/pip-audit --progress-spinner off --disable-pip --require-hashes --format json \
	  -r requirements/binary.txt -r requirements/macos.txt > $(AUDIT)/pip.json || true
	cd worker && npm audit --omit=dev --package-lock-only --json > $(CURDIR)/$(AUDIT)/npm.json || true
	$(BIN)/python build/release/audit.py build/binary/toolchain/sources.tsv $(AUDIT)/listed $(AUDIT)/pip.json $(AUDIT)/npm.json

.PHONY: shells
shells: ## install the shells and downloaders that install.sh is tested with, on Debian as root
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  missing=$$(for tool in bash busybox curl dash wget; do command -v $$tool >/dev/null || echo $$tool; done); \
	  if [ -n "$$missing" ]; then apt-get -qq update && apt-get -qq install --yes $$missing >/dev/null; fi; fi

.PHONY: test-installer
test-installer: $(READY) shells ## test install.sh with every shell and downloader
	$(BIN)/python -m pytest --numprocesses 2 tests/release/test_install.py tests/release/test_install_download.py

.PHONY: check-workflows
check-workflows: $(RELEASE_READY) ## lint the workflows and the installer
	$(RELEASE_ENV) $(RELEASE_BIN)/actionlint
	$(RELEASE_BIN)/zizmor --offline --pedantic --quiet .github/workflows
	# Those two name variables that a sourced or generated line sets, where the linter cannot follow.
	$(RELEASE_ENV) shellcheck install.sh $(filter-out build/binary/freeze.sh build/binary/toolchain.sh,$(wildcard build/*/*.sh))
