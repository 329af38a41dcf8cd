# `make help` lists the targets. Most of them need Rust, Go and make only; `make deps` lists what the tests use as well.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

CRD := config/crd/podidentity.dev_podidentitybindings.yaml
API := docs/reference/api.md
HEALTH := config/argocd/resource_customizations/podidentity.dev/PodIdentityBinding/health.lua
ARGOCD := config/argocd/component
STATUSES := $(CURDIR)/target/e2e-statuses
# The version stands in Cargo.toml. `make release VERSION=...` names the one that is meant, and is refused if it is another.
CARGO_VERSION = $(shell release/version.sh)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Run the demo on a local control plane; KEEP=1 leaves it running
	@$(MAKE) controlplane
	@cargo build -p podidentity-operator -p kubectl-podidentity -p e2e --bins
	@KEEP="$(KEEP)" cargo run --quiet -p e2e --bin demo

# Without core::largest, which takes longer than everything else here.
.PHONY: quick
quick: ## The quick loop, seconds when warm: format, clippy of api and core, core's unit and golden tests
	@cargo fmt --all --check
	@cargo clippy --quiet -p podidentity-api -p podidentity-core --lib -- -D warnings
	@cargo test --quiet -p podidentity-core --lib --test cases --test floors -- --skip largest::

.PHONY: deps
deps: ## List the Debian packages that the tests use, why, and which are missing; installs nothing
	@e2e/tools/deps.sh

.PHONY: test
test: deps ## Everything that CI checks: format, lints, layers, unit, golden and end-to-end tests
	@echo "== control plane: built in the background if this machine has not built it yet"
	@(e2e/controlplane/build.sh > /dev/null && e2e/gitops/run.sh build) & build=$$!; \
	trap 'kill $$build 2> /dev/null || true' EXIT; \
	$(MAKE) lint alerts unit; \
	echo "== control plane: waiting until it is built"; wait $$build; trap - EXIT; \
	$(MAKE) e2e faults-subset bench-smoke
	@IMAGE_TEST=optional $(MAKE) image-test

.PHONY: lint
lint: check-layers check-generated check-docs ## Format, lints, rustdoc, layers, generated files, links
	@echo "== format"
	@cargo fmt --all --check
	@echo "== clippy"
	@cargo clippy --workspace --all-targets -- -D warnings
	@echo "== rustdoc"
	@RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps
	@$(MAKE) deny lint-workflows lint-charts

.PHONY: lint-workflows
lint-workflows: ## Check the workflows with actionlint and zizmor, and that they run make targets only
	@echo "== workflows"
	@e2e/tools/workflows.sh

.PHONY: lint-charts
lint-charts: ## Check the charts: helm lint, metadata, a schema for every value
	@echo "== charts"
	@charts/lint.sh

.PHONY: deny
deny: ## Check licences, bans and sources of dependencies (deny.toml)
	@echo "== dependencies"
	@# Also those of other platforms, which a build here does not fetch.
	@cargo fetch --locked --quiet
	@"$$(e2e/tools/cargo-tool.sh cargo-deny)" --offline --log-level error check licenses bans sources

.PHONY: advisories
advisories: ## Check dependencies for known vulnerabilities; fetches the database of advisories
	@"$$(e2e/tools/cargo-tool.sh cargo-deny)" check advisories

.PHONY: alerts
alerts: ## Unit tests of the Prometheus alerts
	@echo "== alerts"
	@config/prometheus/tests/run.sh

.PHONY: unit
unit: ## Unit, golden and property tests
	@echo "== unit, golden and property tests"
	@cargo test
	@echo "== a million steps of the simulated cluster"
	@cargo test -p podidentity-core --test converge -- --ignored --nocapture a_million_steps_converge

# UPDATE=1 records the first thousand answers, which the unit tests compare with.
.PHONY: oracles
oracles: ## Compare the model of trust policies with two independent ones, on 10,000 policies (Go, Python, pip)
	@e2e/oracles/run.sh build
	@cargo test -p podidentity-core --test trust -- --ignored --nocapture
	@cargo build -p kubectl-podidentity
	@e2e/oracles/run.sh wire "$$(realpath $${CARGO_TARGET_DIR:-target}/debug/kubectl-podidentity)"
# Inputs that break a parser go into its corpus: crates/core/tests/fuzz/corpus, crates/cli/tests/corpus.
CASES ?= 200000
.PHONY: fuzz
fuzz: ## Fuzz every parser of foreign bytes for some minutes; CASES=1000000 for longer
	@echo "== parsers of foreign bytes: $(CASES) inputs each"
	@PROPTEST_CASES=$(CASES) cargo test -p podidentity-core -p podidentity-cluster --test fuzz
	@PROPTEST_CASES=$(CASES) cargo test -p kubectl-podidentity --bin kubectl-podidentity fuzz::

.PHONY: e2e
e2e: controlplane tools e2e-packages ## End-to-end tests on a real control plane
	@echo "== end-to-end tests"
	@cargo build -p podidentity-operator -p kubectl-podidentity
	@rm -rf $(STATUSES)
	@E2E_STATUSES=$(STATUSES) cargo test -p e2e
	@$(MAKE) gitops

# NAME is a part of the scenario's name; `cargo test -p e2e --test scenarios -- --list` lists them.
.PHONY: scenario
scenario: controlplane ## Run the end-to-end scenarios whose name contains NAME, for example NAME=grants
	@[ -n "$(NAME)" ] || { echo "give a part of a scenario's name: make scenario NAME=grants; all names:" >&2; \
	  cargo test --quiet -p e2e --test scenarios -- --list >&2; exit 2; }
	@cargo build -p podidentity-operator -p kubectl-podidentity -p e2e --bins
	@cargo test -p e2e --test scenarios -- "$(NAME)"

# Kubernetes of another minor version: make e2e K8S=1.33. e2e/controlplane/kubernetes has those that can be built.
ifdef K8S
export K8S
endif

# The oldest version and two between. Where there is no MutatingAdmissionPolicy the harness's own webhook injects; the newest
# version is run with that webhook, too.
VERSIONS ?= 1.30 1.33 1.35
.PHONY: versions
versions: e2e-packages tools ## Run the end-to-end scenarios on older versions of Kubernetes (VERSIONS="1.30 1.33"); each is built once
	@cargo build -p podidentity-operator -p kubectl-podidentity -p e2e --bins
	@cargo test -p e2e --no-run
	@for version in $(VERSIONS); do \
	  echo "== Kubernetes $$version: built if this machine has not built it yet"; \
	  K8S=$$version e2e/controlplane/build.sh > /dev/null; \
	  began=$$SECONDS; K8S=$$version cargo test -p e2e --test scenarios -- --quiet; \
	  echo "== Kubernetes $$version: scenarios passed in $$((SECONDS - began)) s"; \
	done
	@echo "== the newest Kubernetes, with the webhook in the place of the policy"
	@began=$$SECONDS; E2E_INJECTION=webhook cargo test -p e2e --test scenarios -- --quiet; \
	echo "== the newest Kubernetes, with the webhook: scenarios passed in $$((SECONDS - began)) s"

# Shells and a terminal for the kubectl plugin, and proxies. None of the packages starts a service.
.PHONY: e2e-packages
e2e-packages:
	@present() { command -v tmux && command -v zsh && command -v fish && command -v tinyproxy && command -v microsocks; } > /dev/null; \
	install() { apt-get install -y tmux zsh fish tinyproxy-bin microsocks > /dev/null 2>&1; }; \
	present && exit 0; echo "programs that tests use are missing, running: apt-get install tmux zsh fish tinyproxy-bin microsocks"; \
	install || { apt-get update > /dev/null 2>&1 && install; } \
	  || echo "they are missing, and so are the tests that need them: apt-get install tmux zsh fish tinyproxy-bin microsocks"

.PHONY: gitops
gitops: controlplane ## Test bindings with Argo CD's, Flux's and Helm's own code, over the statuses of the last make e2e
	@echo "== Argo CD, Flux, Helm"
	@cargo build --quiet -p podidentity-operator -p kubectl-podidentity
	@# As for the scenarios: with other dependencies' features everything would be compiled once more.
	@cargo test --quiet -p e2e --no-run
	@e2e/gitops/run.sh build
	@E2E_STATUSES=$(STATUSES) timeout 20m $${CARGO_TARGET_DIR:-target}/debug/with-cluster e2e/gitops/run.sh test
	@echo "== one Git for two clusters"
	@timeout 10m e2e/gitops/run.sh fleet

.PHONY: bench
bench: controlplane ## Measure on a real API server into target/bench, for example ARGS="--bindings 1000"; docs/benchmarks says what
	@cargo build --release -p podidentity-operator -p e2e --bin podidentity-operator --bin bench
	@target/release/bench run $(ARGS)

# BASE: a commit, for example BASE=main~1, or yesterday, the newest that is a day older than HEAD. PEER: a command that runs
# another operator of the same job. The table is also in target/bench/compare.md.
.PHONY: bench-compare
bench-compare: controlplane ## Compare this build with that of another commit (BASE=), and with another operator (PEER=), in turns
	@[ -n "$(BASE)$(PEER)" ] || { echo "give a commit or a command: make bench-compare BASE=HEAD~1" >&2; exit 2; }
	@cargo build --release -p podidentity-operator -p e2e --bin podidentity-operator --bin bench
	@$(if $(BASE),e2e/tools/base.sh "$(BASE)")
	@mkdir -p target/bench
	@target/release/bench compare $(if $(BASE),--base target/base/podidentity-operator) $(if $(PEER),--peer "$(PEER)") $(ARGS) \
	  | tee target/bench/compare.md

.PHONY: bench-publish
bench-publish: ## Write tables and plots of all runs in target/bench to docs/benchmarks
	@cargo build --release -p e2e --bin bench
	@target/release/bench render --out docs/benchmarks

.PHONY: bench-cli
bench-cli: controlplane ## Measure the kubectl plugin in a large cluster, for example ARGS="--bindings 1000 --replicas 5"
	@cargo build --release -p kubectl-podidentity -p e2e --bin kubectl-podidentity --bin bench
	@target/release/bench cli --check $(ARGS)

.PHONY: bench-smoke
bench-smoke: controlplane
	@echo "== benchmarks: the harness at a small size; counts are checked, times are not"
	@cargo build -p podidentity-operator -p kubectl-podidentity -p e2e --bin podidentity-operator --bin kubectl-podidentity --bin bench
	@target/debug/bench cli --bindings 40 --replicas 2 --check
	@target/debug/bench compare --bindings 3 --rounds 1 --singles 2 --attempts 1 --phases rounds,startup,churn \
	  --seconds 2 --rate 20 --base target/debug/podidentity-operator
	@target/debug/bench run --bindings 6 --replicas 2 --seconds 3 --rate 20 --by-hand 1 --attempts 1 --check --out target/bench-smoke

# One plan: PLAN=target/faults/failed/....json. Some: ONLY="crash after". All anew: FRESH=1. More at a time: JOBS=16.
.PHONY: faults
faults: controlplane faults-tools ## The fault campaign: some 1,400 plans, a malformed world, overload; continues where it was interrupted
	@cargo build -p podidentity-operator -p e2e --bins
	@target/debug/faults $(if $(JOBS),--jobs $(JOBS)) $(if $(PLAN),--plan "$(PLAN)") $(if $(ONLY),--only "$(ONLY)") $(if $(FRESH),--fresh)
	@$(if $(PLAN)$(ONLY),true,target/debug/faults malformed && target/debug/faults hostile && target/debug/faults overload && $(MAKE) faults-planted)

.PHONY: faults-subset
faults-subset: controlplane ## A fixed part of the fault campaign, the malformed world, and the hostile tenant
	@echo "== fault campaign: the fixed subset"
	@cargo build -p podidentity-operator -p e2e --bins
	@target/debug/faults --subset --fresh --folder target/faults-subset
	@echo "== fault campaign: the malformed world"
	@target/debug/faults malformed > target/faults-subset/malformed.txt \
	  || { cat target/faults-subset/malformed.txt; exit 1; }
	@tail -n 2 target/faults-subset/malformed.txt
	@echo "== fault campaign: a hostile tenant"
	@target/debug/faults hostile

.PHONY: faults-planted
faults-planted: controlplane ## Plant bugs: the fault campaign has to notice each of them
	@echo "== fault campaign: planted bugs"
	@cargo build -p podidentity-operator
	@cargo run --quiet -p e2e --features planted-bugs --bin faults -- planted

# The clock of the operator's machine is set by libfaketime.
.PHONY: faults-tools
faults-tools:
	@ls /usr/lib/*/faketime/libfaketime.so.1 > /dev/null 2>&1 || echo "libfaketime is missing, running: apt-get install libfaketime"
	@ls /usr/lib/*/faketime/libfaketime.so.1 > /dev/null 2>&1 || apt-get install -y libfaketime > /dev/null \
	  || { echo "libfaketime is missing; install it: apt-get install libfaketime" >&2; exit 1; }

# A sample: SHARD=0/8. One file: ONLY=crates/core/src/plan.rs. All anew: FRESH=1.
.PHONY: mutants
mutants: ## Mutation tests of core's decisions; continues where they were interrupted
	@crates/core/mutants.sh

.PHONY: controlplane
controlplane: ## Build etcd, the Kubernetes control plane and kwok from source (once, about 13 minutes)
	@e2e/controlplane/build.sh > /dev/null

.PHONY: tools
tools: ## Build helm, helm-docs and kube-state-metrics from source (once, about 5 minutes)
	@e2e/tools/build.sh > /dev/null
	@e2e/tools/build.sh kube-state-metrics > /dev/null

IMAGE ?= podidentity-operator:$(CARGO_VERSION)

.PHONY: image
image: ## Build the image IMAGE=NAME:TAG without a daemon (image/tools.sh installs what that needs); ARCH="amd64 arm64" for both
	@image/build.sh "$(IMAGE)" $(ARCH)

# On a machine of another architecture; bring target/image-parts to where the image is built.
.PHONY: image-binary
image-binary: ## Build the operator's binary for this machine's architecture into target/image-parts, for an image of several
	@folder="target/image-parts/$$(case $$(uname -m) in aarch64 | arm64) echo arm64 ;; *) echo amd64 ;; esac)"; \
	image/binary.sh "$$folder" && git rev-parse HEAD > "$$folder/commit"

.PHONY: image-test
image-test: controlplane ## Build the image and run it in front of a real control plane
	@echo "== image: built and run"
	@image/test.sh "$(IMAGE)"

.PHONY: release-prepare
release-prepare: ## Write what the release VERSION=0.2.0 needs in the repository: version, changelog, manual pages; commits nothing
	@release/prepare.sh "$(VERSION)"

.PHONY: release-packages
release-packages: ## Install what make release needs, on Debian or Ubuntu
	@image/tools.sh arm64

.PHONY: release-binary
release-binary: ## Build the plugin for TARGET=aarch64-apple-darwin, for example, into target/release-parts
	@release/binary.sh "$(TARGET)"

.PHONY: release
release: ## Build the release VERSION=0.2.0 of the tag at HEAD into dist/ (docs/release.md); REGISTRY and SOURCE_URL say where it will lie
	@release/build.sh "$(VERSION)"

.PHONY: release-publish
release-publish: ## Push image and charts of dist/ to REGISTRY, sign them, and make the release on GitHub
	@release/publish.sh "$(VERSION)"
	@release/host.sh "$(VERSION)"

.PHONY: release-rehearsal
release-rehearsal: controlplane ## Release in a scratch clone, publish to a local registry, verify and install as a user would
	@release/rehearse.sh

# ALL=1 builds every released version below this one, with a page to switch; it needs the tags.
.PHONY: site
site: ## Build the documentation as a site with search into target/site/book, and check its links; ALL=1 for every version
	@release/site.sh $(if $(ALL),--all)

.PHONY: screenshots
screenshots: controlplane ## Make the screenshots of the pages, docs/images, on a local control plane; needs Debian's chromium
	@cargo build --quiet -p kubectl-podidentity -p e2e --bin kubectl-podidentity --bin broken
	@release/screenshots.sh

.PHONY: generate
generate: ## Write the generated files: config/crd, docs/reference/api.md, parts of charts/
	@cargo run --quiet -p podidentity-api --example crd > $(CRD).new
	@mv $(CRD).new $(CRD)
	@echo "wrote $(CRD)"
	@cargo run --quiet -p podidentity-docs -- api > $(API).new
	@mv $(API).new $(API)
	@echo "wrote $(API)"
	@cp $(HEALTH) $(ARGOCD)/health.lua
	@config/argocd/actions.sh > $(ARGOCD)/actions.yaml
	@echo "wrote $(ARGOCD)"
	@charts/generate.sh

.PHONY: check-generated
check-generated: ## Fail if a generated file is stale
	@echo "== generated files"
	@release/version.sh --check
	@cargo run --quiet -p podidentity-api --example crd | diff -u $(CRD) - \
	  || { echo "$(CRD) is stale: run make generate and commit it" >&2; exit 1; }
	@cargo run --quiet -p podidentity-docs -- api | diff -u $(API) - \
	  || { echo "$(API) is stale: run make generate and commit it" >&2; exit 1; }
	@diff -u $(ARGOCD)/health.lua $(HEALTH) && config/argocd/actions.sh | diff -u $(ARGOCD)/actions.yaml - \
	  || { echo "$(ARGOCD) is stale: run make generate and commit it" >&2; exit 1; }
	@charts/generate.sh --check

.PHONY: check-docs
check-docs: ## Fail if a link of a page leads nowhere, or a reason is not explained
	@echo "== links of the pages"
	@cargo run --quiet -p podidentity-docs -- check

.PHONY: check-layers
check-layers: ## Fail if core could do I/O, modules import each other in a circle, or a file has more than 400 lines
	@echo "== layers"
	@cargo run --quiet -p podidentity-docs -- layers
	@if cargo tree -p podidentity-core -e normal --prefix none | grep -E '^(kube|kube-client|kube-runtime|tokio|hyper) '; then \
	  echo "podidentity-core must not depend on a client or a runtime" >&2; exit 1; fi
