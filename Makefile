# Every target sets up what it needs; nothing must be prepared by hand.
# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A stamp file, newer than everything that was installed.
READY := $(VENV)/.ready

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 26

$(READY): requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: setup
setup: $(READY) ## install what development needs into .venv

.PHONY: demo
demo: $(READY) worker ## run the main job for real: a bus, a Worker, two spawns, a prompt, an abort
	$(BIN)/python -m examples.demo

.PHONY: demo-deploy
demo-deploy: $(READY) worker ## show a deployment: from nothing to an agent and back, with a stand-in for Cloudflare's API
	$(BIN)/python -m examples.demo_deploy

.PHONY: check
check: $(READY) check-worker check-workflows ## lint, type-check, check generated files
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	$(BIN)/python build/generate/schemas.py --check
	$(BIN)/python build/generate/docs.py --check
	$(BIN)/python build/generate/check_pages.py

.PHONY: test
test: $(READY) worker chromium ## set everything up and run the tests
	$(MAKE) --no-print-directory test-worker-units
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile
	AGENTS_PER_HUB=250 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile tests/conformance --ignore tests/conformance/test_hub.py

.PHONY: fuzz
# A fresh seed each time; FUZZ_SEED=... repeats a run, which prints it.
fuzz: export FUZZ_SEED := $(or $(FUZZ_SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))
fuzz: $(READY) ## mutated specs, costly documents, and every property with examples that were never tried
	@echo "FUZZ_SEED=$(FUZZ_SEED)"
	$(BIN)/python -m pytest -m fuzz tests/test_fuzz.py
	$(BIN)/python -m pytest -m "hypothesis and not slow" --hypothesis-profile explore --hypothesis-seed $(FUZZ_SEED) tests/test_*.py tests/document

.PHONY: schemas
schemas: $(READY) ## generate schemas/ from the message structs
	$(BIN)/python build/generate/schemas.py

.PHONY: docs
docs: $(READY) ## generate docs/errors.md and the tables of README.md
	$(BIN)/python build/generate/docs.py

.PHONY: clean
clean: ## remove everything that was built or installed here
	rm -rf $(VENV) .cache dist worker/dist worker/node_modules

include worker/worker.mk
include build/binary/binary.mk
include build/release/release.mk

.PHONY: lock
lock: ## pin the newest versions of requirements/*.in into requirements/*.txt
	@$(PYTHON) -m venv .cache/uv && .cache/uv/bin/pip install --quiet uv
	@for in in requirements/*.in; do .cache/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	  $$in --output-file $${in%.in}.txt; done
