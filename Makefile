# `make help` lists what can be done.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
CRD := config/crd/podidentity.dev_podidentitybindings.yaml

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: generate
generate: ## Write what is generated from the Rust types: config/crd
	@cargo run --quiet -p podidentity-api --example crd > $(CRD).new
	@mv $(CRD).new $(CRD)
	@echo "wrote $(CRD)"

.PHONY: check-generated
check-generated: ## Fail if what is generated is stale
	@cargo run --quiet -p podidentity-api --example crd | diff -u $(CRD) - \
	  || { echo "$(CRD) is stale: run make generate and commit it" >&2; exit 1; }

.PHONY: check-layers
check-layers: ## Fail if core could do I/O
	@if cargo tree -p podidentity-core -e normal --prefix none | grep -E '^(kube|kube-client|kube-runtime|tokio|hyper) '; then \
	  echo "podidentity-core must not depend on a client or a runtime" >&2; exit 1; fi
