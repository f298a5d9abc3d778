# Targets of the Cloudflare Worker. Its tools, Node 22 among them, come from npm into worker/node_modules.

WORKER_READY := worker/node_modules/.ready
WORKER_BUNDLE := worker/dist/index.js
WORKER_SOURCES := $(shell find worker/src -name '*.ts')
PAGE_SOURCES := $(shell find worker/page -type f)
# The script of the page; its style is built with it, and the bundle contains both as text.
PAGE_SCRIPT := worker/dist/page/script.txt
# Bytes of the compressed page.
PAGE_LIMIT := 12288
# Node 22 before the system's.
WORKER_PATH = PATH="$(CURDIR)/worker/node_modules/.bin:$$PATH"
# In the directory of a Worker, this one or an older one.
BUILD_PAGE = esbuild page/main.ts --bundle --format=iife --target=es2024 --minify --log-level=warning \
  --outfile=dist/page/script.txt && esbuild page/style.css --minify --log-level=warning --outfile=dist/page/style.txt
BUILD_WORKER = esbuild src/index.ts --bundle --format=esm --target=es2024 --minify --legal-comments=none \
  --conditions=workerd,worker,browser --external:cloudflare:workers --loader:.html=text \
  --define:__VERSION__="\"$$(cat dist/version)\"" --log-level=warning --outfile=dist/index.js
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

$(PAGE_SCRIPT): $(WORKER_READY) $(PAGE_SOURCES) worker/worker.mk
	cd worker && export $(WORKER_PATH) && $(BUILD_PAGE)
	@size=$$(cat worker/page/page.html worker/dist/page/*.txt | gzip -9 | wc -c); \
	  echo "worker/dist/page: $$size bytes gzip, $(PAGE_LIMIT) allowed"; \
	  test "$$size" -le $(PAGE_LIMIT)

$(WORKER_BUNDLE): $(WORKER_READY) $(WORKER_SOURCES) $(PAGE_SCRIPT) worker/dist/version worker/worker.mk
	cd worker && export $(WORKER_PATH) && $(BUILD_WORKER)
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
check-worker: $(READY) $(WORKER_BUNDLE) ## types, lint, format and layers of the Worker
	cd worker && $(WORKER_PATH) tsc && $(WORKER_PATH) tsc -p page
	cd worker && $(WORKER_PATH) biome ci --error-on-warnings
	@$(BIN)/python -m pytest --quiet --no-header tests/test_layers.py

.PHONY: format-worker
format-worker: $(WORKER_READY) ## format the Worker's sources
	cd worker && $(WORKER_PATH) biome check --write

.PHONY: test-worker
test-worker: $(READY) $(WORKER_BUNDLE) ## the Worker's conformance and fault tests on workerd and nats-server
	$(BIN)/pytest tests/conformance -n 3 --dist worksteal -q
	AGENTS_PER_HUB=250 $(BIN)/pytest tests/conformance -n 3 --dist worksteal -q

.PHONY: chromium
chromium: $(READY) ## install Chromium for the tests of the page, on Debian as root
	@$(BIN)/python -m tests.support.chromium

.PHONY: test-page
test-page: $(READY) $(WORKER_BUNDLE) chromium ## the tests of the Worker's page, in Chromium
	$(BIN)/pytest tests/page -n 2 --dist loadfile -q

.PHONY: page-shots
page-shots: $(READY) $(WORKER_BUNDLE) chromium ## write the README's pictures of the Worker's page, which need the font Inter
	@fc-list | grep -q Inter || { apt-get -qq update && apt-get -qq install --yes --no-install-recommends fonts-inter; }
	$(BIN)/python -m tests.page.shots docs

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
	$(BIN)/python -m tests.conformance.floods

# What is deployed in between: the last release, or, before there is one, the Worker before its last change.
OLDER ?= $(shell git describe --tags --abbrev=0 HEAD^ 2>/dev/null || git rev-list -1 --skip=1 HEAD -- worker/src)
OLDER_WORKER := worker/dist/older
MINUTES ?= 10

.PHONY: soak-worker
soak-worker: $(READY) $(WORKER_BUNDLE) ## random faults in each mode, for MINUTES=10: no stream without its end, no agent lost
	rm -rf $(OLDER_WORKER) && mkdir $(OLDER_WORKER)
	git archive $(OLDER) worker | tar x -C $(OLDER_WORKER) --strip-components=1
	rm $(OLDER_WORKER)/biome.json
	mkdir $(OLDER_WORKER)/dist && echo 0.0.1 > $(OLDER_WORKER)/dist/version
	cd $(OLDER_WORKER) && export $(WORKER_PATH) && { test ! -d page || { $(BUILD_PAGE); }; } && $(BUILD_WORKER)
	$(BIN)/python -m tests.conformance.soak --minutes $(MINUTES) --older $(OLDER_WORKER)/dist/index.js
	$(BIN)/python -m tests.conformance.soak --minutes $(MINUTES) --older $(OLDER_WORKER)/dist/index.js --agents-per-hub 5
