# Targets of the Cloudflare Worker. Its tools, Node 22 among them, come from npm into worker/node_modules.

WORKER_READY := worker/node_modules/.ready
WORKER_BUNDLE := worker/dist/index.js
WORKER_SOURCES := $(shell find worker/src -name '*.ts')
# Node 22 before the system's.
WORKER_PATH = PATH="$(CURDIR)/worker/node_modules/.bin:$$PATH"
# Below worker, for a shell.
WORKER_ESBUILD = --bundle --format=esm --target=es2024 --minify --legal-comments=none --log-level=warning \
  --conditions=workerd,worker,browser --external:cloudflare:workers --define:__VERSION__="\"$$(cat dist/version)\""
# Bytes of the compressed bundle; Cloudflare's own limit is far above it.
WORKER_LIMIT := 337920

# Not `npm ci`: it wants the optional packages of every platform in the lock, and some are not published for all.
$(WORKER_READY): worker/package.json worker/package-lock.json
	cd worker && npm install --no-save --loglevel=error
	touch $@

# Changes when the version does, so that the bundle is built again.
worker/dist/version: $(READY) FORCE
	@mkdir -p worker/dist
	@version=$$($(BIN)/python build/release/version.py --semver) && echo "$$version" | cmp -s - $@ || echo "$$version" > $@

.PHONY: FORCE
FORCE:

$(WORKER_BUNDLE): $(WORKER_READY) $(WORKER_SOURCES) worker/dist/version worker/worker.mk
	cd worker && $(WORKER_PATH) esbuild src/index.ts $(WORKER_ESBUILD) --outfile=dist/index.js
	@size=$$(gzip -9 < $@ | wc -c); echo "worker/dist/index.js: $$size bytes gzip, $(WORKER_LIMIT) allowed"; \
	  test "$$size" -lt $(WORKER_LIMIT)

# The program carries the bundle: `--deploy` uploads it.
WORKER_MODULE := exec_cf/_bundle.py
# BUNDLE=carried takes the module as it is: a release builds it once, for every package.
ifneq ($(BUNDLE),carried)
$(WORKER_MODULE): $(WORKER_BUNDLE) worker/wrangler.toml build/generate/bundle.py
	$(BIN)/python build/generate/bundle.py worker "$$(cat worker/dist/version)" $@
	touch $@
endif

.PHONY: worker
worker: $(WORKER_BUNDLE) $(WORKER_MODULE) ## build the Worker's bundle

.PHONY: check-worker
check-worker: $(WORKER_BUNDLE) ## types, lint and format of the Worker
	cd worker && $(WORKER_PATH) tsc
	cd worker && $(WORKER_PATH) biome ci --error-on-warnings

.PHONY: format-worker
format-worker: $(WORKER_READY) ## format the Worker's sources
	cd worker && $(WORKER_PATH) biome check --write

.PHONY: test-worker
test-worker: $(READY) $(WORKER_BUNDLE) ## the Worker's conformance and fault tests on workerd and nats-server
	$(BIN)/pytest tests/conformance -n 3 --dist worksteal -q
	AGENTS_PER_HUB=250 $(BIN)/pytest tests/conformance -n 3 --dist worksteal -q

.PHONY: test-worker-slow
test-worker-slow: $(READY) $(WORKER_BUNDLE) ## the tests of the Worker that wait for timers of half a minute
	$(BIN)/pytest tests/conformance -m slow -n 2 --dist loadscope -q

.PHONY: test-worker-units
test-worker-units: $(WORKER_READY) ## the unit tests of the Worker's pure parts, on Node
	cd worker && $(WORKER_PATH) tsc -p test
	cd worker && $(WORKER_PATH) node --experimental-transform-types --disable-warning=ExperimentalWarning \
	  --test --test-reporter=dot 'test/**/*.test.ts'

.PHONY: bench-worker
bench-worker: $(READY) $(WORKER_BUNDLE) ## both modes beside the protocol's own host library, and what a thousand agents cost
	$(BIN)/python -m tests.conformance.bench

# What is deployed in between: the last release, or, before there is one, the Worker before its last change.
OLDER ?= $(shell git describe --tags --abbrev=0 HEAD^ 2>/dev/null || git rev-list -1 --skip=1 HEAD -- worker/src)
OLDER_BUNDLE := worker/dist/older.js
MINUTES ?= 10

.PHONY: soak-worker
soak-worker: $(READY) $(WORKER_BUNDLE) ## random faults in each mode, for MINUTES=10: no stream without its end, no agent lost
	rm -rf worker/dist/older && mkdir worker/dist/older
	git archive $(OLDER) worker/src | tar x -C worker/dist/older --strip-components=1
	cd worker && $(WORKER_PATH) esbuild dist/older/src/index.ts $(WORKER_ESBUILD) --outfile=dist/older.js
	$(BIN)/python -m tests.conformance.soak --minutes $(MINUTES) --older $(OLDER_BUNDLE)
	$(BIN)/python -m tests.conformance.soak --minutes $(MINUTES) --older $(OLDER_BUNDLE) --agents-per-hub 5
