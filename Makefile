# Thin: a target calls cargo or one script. `make` says what there is.

.DEFAULT_GOAL := help
QUICK := --locked --profile quick

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: ## Install what demo, kind and test need (Debian packages)
	tests/cluster/setup --install all

demo: ## The story without a cluster; ARGS=--once runs it unattended
	@tests/cluster/setup demo
	@cargo build --quiet $(QUICK) -p evenkeel-proxy
	@cargo run --quiet $(QUICK) -p evenkeel-tests --bin demo -- $(ARGS)

kind: ## The story on a real cluster, which stays up
	@tests/cluster/setup kind
	@tests/kind/story

kind-down: ## Remove that cluster
	@tests/cluster/kind-down

test: ## Every test that CI runs
	tests/run

bench: ## A release beside nginx, HAProxy and Envoy; ARGS='--works 1k --rounds 3', --help tells more
	@tests/cluster/setup fast
	@tests/bench/run compare $(ARGS)

bench-check: ## What a request costs, against the baseline
	@tests/cluster/setup fast
	@tests/bench/run check

bench-baseline: ## Rewrite the baseline; say why in the same change
	@tests/cluster/setup fast
	@tests/bench/run baseline

bench-profile: ## In which functions a request spends its instructions; ARGS='--work 64k --shown 40'
	@tests/cluster/setup fast
	@tests/bench/run profile $(ARGS)

sim: ## How rules of choosing an endpoint compare, in virtual time; ARGS='--scenario a --seeds 9', --help tells more
	@cargo run --quiet $(QUICK) -p evenkeel-sim --bin sim -- $(ARGS)

fuzz: ## Look for bytes that break a parser; ARGS='600 guard' chooses seconds and target, ARGS=keep keeps what was found
	@tests/cluster/setup fuzz
	@proxy/fuzz/run $(ARGS)

flood: ## Everything that floods a proxy, 30 s each; ARGS='--seconds 5 idle' chooses
	@tests/cluster/setup fast
	@tests/flood/run $(ARGS)

soak: ## Millions of exchanges of all kinds, memory flat; ARGS=300000 chooses how many
	@tests/cluster/setup demo
	EVENKEEL_EXCHANGES=$(or $(ARGS),5000000) cargo test $(QUICK) --workspace --test sockets no_two_clients -- --nocapture

golden: ## Rewrite the golden files; review the difference
	UPDATE_GOLDEN=1 cargo test --locked -p evenkeel-crds --test golden

crds: ## Rewrite the CRD's YAML, beside its types and in the chart
	charts/generate

.PHONY: help setup demo kind kind-down test bench bench-check bench-baseline bench-profile sim fuzz flood soak golden crds
