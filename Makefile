# Two commands matter: `make demo` and `make test`. `make help` lists all.

SETUP := tests/setup
TARGET := $(or $(CARGO_TARGET_DIR),target)
HOST := $(TARGET)/debug/dynamo-host
PLUGINS := $(TARGET)/wasm32-wasip2/plugin
# A plugin is named like its folder.
WORKER_TYPES := $(notdir $(patsubst %/,%,$(wildcard plugins/*/)))
# Test plugins that serve, several versions of one among them.
GUESTS := counts $(basename $(notdir $(wildcard tests/guests/examples/relay_*.rs)))
# A workspace of its own.
FUZZ := tests/fuzz/Cargo.toml
SHELL := bash
# Pytest would swallow what an installation says.
INSTALL = $(SETUP)/venv.sh >/dev/null
PYTEST = "$$($(SETUP)/venv.sh e2e)/bin/python" -m pytest -c tests/e2e/pytest.ini --rootdir tests/e2e

.PHONY: help
help: ## This list.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: demo
demo: export PROMPT ?= What is the capital of France?
demo: build ## Asks PROMPT through frontend, plugin and llama.cpp; stays up with a terminal.
	python3 examples/demo/demo.py "$$PROMPT"

.PHONY: demo-video
demo-video: export PROMPT ?= a quiet night by the sea
demo-video: build ## Renders PROMPT through frontend, plugin and a stand-in engine; leaves a video.
	python3 examples/demo/video.py "$$PROMPT"

.PHONY: test
test: unit conformance guests ## Everything that needs no 6-GB engine, end to end with small ones included.
	@$(INSTALL) frontend && $(INSTALL) llama && $(INSTALL) procedural && $(INSTALL) s3 && $(INSTALL) manifests
	$(PYTEST) tests/e2e --engine llama --engine procedural

# With sglang-tiny alone a few minutes less, and nothing that knows the capital of France.
SGLANG ?= sglang-tiny sglang-smollm2
.PHONY: test-sglang
test-sglang: build ## The end-to-end suite against real SGLang on CPU (kernels substituted).
	@$(INSTALL) frontend && $(INSTALL) llama && $(INSTALL) sglang
	$(PYTEST) tests/e2e $(SGLANG:%=--engine %)

DURATION ?= 60
STREAMS ?= 64
.PHONY: test-swap
test-swap: build guests ## Ten swaps under STREAMS streams for DURATION seconds, and a bad version.
	@$(INSTALL) frontend && $(INSTALL) llama
	python3 tests/measure/swap.py --seconds $(DURATION) --streams $(STREAMS)

MINUTES ?= 30
SEED ?= 1
.PHONY: endurance
endurance: build ## MINUTES of mixed load on an engine that breaks at random: nothing is lost, leaks or grows.
	@$(INSTALL) frontend && $(INSTALL) procedural
	python3 tests/measure/endurance.py --minutes $(MINUTES) --seed $(SEED)

.PHONY: test-authors
test-authors: build ## New plugins in each language and the examples, built, checked and served; the author's guide.
	@$(INSTALL) frontend && $(INSTALL) llama && $(INSTALL) componentize && $(SETUP)/node.sh componentize >/dev/null
	$(PYTEST) tests/e2e --engine llama -m authors

.PHONY: test-kv-routing
test-kv-routing: build ## KV routing over two workers on SGLang; prints the hit rates.
	@$(INSTALL) frontend && $(INSTALL) sglang
	$(PYTEST) tests/e2e/test_kv_routing.py --engine sglang-tiny -m kv_routing -s

.PHONY: test-cluster
test-cluster: build ## NATS and etcd that fail while requests are served, and hosts in networks of their own.
	@$(INSTALL) frontend && $(INSTALL) llama && $(SETUP)/cluster.sh
	"$$($(SETUP)/venv.sh e2e)/bin/python" tests/cluster/cluster.py

FUZZ_SECONDS ?= 60
.PHONY: test-fuzz
test-fuzz: setup ## Feeds every parser that faces the outside for FUZZ_SECONDS seconds.
	@$(SETUP)/fuzz.sh
	python3 tests/fuzz/run.py --seconds $(FUZZ_SECONDS)

REQUESTS ?= 5000
.PHONY: test-rolling
test-rolling: build ## Replaces and kills workers under REQUESTS requests; prints what became of them.
	@$(INSTALL) frontend
	"$$($(SETUP)/venv.sh e2e)/bin/python" tests/e2e/rolling.py --requests $(REQUESTS)

.PHONY: unit
unit: build
	cargo test --workspace --locked

.PHONY: conformance
conformance: build ## Every plugin against its recorded cases.
	python3 tests/vectors/import.py --check
	set -e; for plugin in $(WORKER_TYPES); do \
	    $(HOST) check --plugin $(PLUGINS)/$$plugin.wasm tests/cases/$$plugin; \
	done

.PHONY: build
build: setup plugins ## The host (profile dev, which demo and tests share) and the plugins.
	cargo build --locked

.PHONY: plugins
plugins: setup ## The plugins, as WebAssembly components.
	cargo build --locked --profile plugin --target wasm32-wasip2 $(WORKER_TYPES:%=-p %)

.PHONY: guests
guests: setup
	cargo build --locked --profile plugin --target wasm32-wasip2 -p guests $(GUESTS:%=--example %)

.PHONY: setup
setup: ## What the build needs from the system; installs only what is missing.
	@$(SETUP)/system.sh

SIZE ?= 64M
CLIENTS ?= 8
.PHONY: measure-media
measure-media: build ## Memory of the host while CLIENTS fetch an image of SIZE each.
	@$(INSTALL) frontend && $(INSTALL) procedural
	python3 tests/measure/media_memory.py --size $(SIZE) --clients $(CLIENTS)

.PHONY: test-attack
test-attack: setup ## Components that attack the host: who fails, and what it costs the others.
	cargo test --workspace --locked --test attack -- --nocapture | grep '^[|t]'

BENCH_PROFILE ?= release
ROUNDS ?= 5
.PHONY: bench
bench: plugins ## What a token costs, beside Dynamo's Python worker and the host without a sandbox; ONLY=swap,kv for those figures.
	@$(INSTALL) frontend && $(INSTALL) llama && $(INSTALL) sglang
	cargo build --locked --profile $(BENCH_PROFILE) -p dynamo-host -p dynamo-host-bench
	python="$$($(SETUP)/venv.sh sglang)" frontend="$$($(SETUP)/venv.sh frontend)" && \
	built=$(TARGET)/$(BENCH_PROFILE:dev=debug) && \
	$$built/dynamo-host-bench run --host $$built/dynamo-host --plugins $(PLUGINS) \
	    --model-path "$$($(SETUP)/model.sh tiny-llama)" --python "$$python/bin/python" \
	    --dynamo "$$(echo "$$frontend"/lib/python3*/site-packages)" --peer benches/peer/decode.py \
	    --rounds $(ROUNDS) --summary $(TARGET)/bench/summary.json $(ONLY:%=--only %)

BENCH_STAGES = cargo bench --locked --workspace --profile dev
# Our half of the work at the level of a release: the dependencies are at theirs anyway.
OPTIMISED := $(patsubst %,--config 'profile.dev.package.dynamo-host-%.opt-level=3',stages plugin request engine kv plane)
.PHONY: bench-stages
bench-stages: setup ## Time of each stage of a token's way; SAVE=NAME keeps it, BASELINE=NAME compares.
	$(BENCH_STAGES) --bench stages $(OPTIMISED) -- \
	    $(SAVE:%=--save-baseline %) $(BASELINE:%=--baseline %)

.PHONY: test-instructions
test-instructions: plugins ## Instructions of a token's way, against those on record; BLESS=1 records them.
	@$(SETUP)/valgrind.sh
	$(BENCH_STAGES) --bench instructions

.PHONY: fmt
fmt: ## Formats the Rust code.
	cargo fmt --all
	cargo fmt --manifest-path $(FUZZ)

.PHONY: lint
lint: setup ## Formatting, clippy without warnings and, where cargo-deny is installed, the dependency rules.
	cargo fmt --all --check
	cargo fmt --manifest-path $(FUZZ) --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --manifest-path $(FUZZ) --target-dir $(TARGET) --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; \
	else echo "cargo-deny is not installed (cargo install cargo-deny --locked): dependency rules not checked"; fi

.PHONY: clean-cache
clean-cache: ## Removes the environments and models that demo and tests have installed.
	@. $(SETUP)/cache.sh && rm -rf "$$cache/venv" "$$cache/model"
