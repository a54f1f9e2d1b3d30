# SPDX-License-Identifier: Apache-2.0
# Works from a clone at any path, without root, with Python 3.11 or newer. `make` alone lists the targets.
.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/sh
BIN := .venv/bin

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name text; do \
	  printf '  %-18s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: ## build .venv with the tools too (the other targets do what they need by themselves)
	@sh .ci/setup dev

.PHONY: run
run: ## build .venv with only what runs weighbridge: .venv/bin/weighbridge
	@sh .ci/setup run

.PHONY: demo
demo: run ## the whole way on a real model: sign, publish, log, verify, look (MODEL=path, DATA=folder)
	@$(BIN)/weighbridge demo $${MODEL:+--model "$$MODEL"} $${DATA:+--data "$$DATA"}

.PHONY: peers
peers: setup ## build .venv/peers: log readers that are not ours, for tests/outside
	@$(BIN)/python .ci/peers.py

.PHONY: model
model: setup ## download the real model that some tests and the demo use (83 MB, once)
	@$(BIN)/python .ci/model.py

.PHONY: test
test: peers model ## run the whole test suite
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

.PHONY: test-faults
test-faults: setup ## kill, starve and cheat the registry for a long time; `make test` runs a short selection
	@$(BIN)/python -m pytest -n auto --maxprocesses 8 --timeout=0 -m faults

.PHONY: test-postgres
test-postgres: setup ## run the registry's own suite on PostgreSQL and S3; `make test` runs a short selection
	@WEIGHBRIDGE_TESTS_HOME=postgresql $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile \
	  -m "not faults and not files" tests/registry tests/attacks tests/cli/test_takedown.py tests/cli/test_fsck.py \
	  tests/cli/test_publish.py tests/cli/test_watch.py

.PHONY: fuzz
fuzz: setup ## feed mutated bytes to every parser, 100 times as long as the suite does (FUZZ=1000: longer)
	@WEIGHBRIDGE_FUZZ=$${FUZZ:-100} $(BIN)/python -m pytest -n auto --timeout=0 tests/library/test_hostile_bytes.py \
	  tests/library/test_hostile_signatures.py tests/library/weighing/test_safetensors.py tests/library/weighing/test_gguf.py

.PHONY: check
check: setup ## linters, types, layers, generated files, the lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python schemas/generate.py --check
	$(BIN)/python .ci/lock.py --check

.PHONY: bench
bench: setup ## measure signing and verifying against model-signing and the raw limit (BENCH="--rounds 5")
	@$(BIN)/python benchmarks/weighing.py $(BENCH)

.PHONY: bench-log
bench-log: peers ## measure the log: writers beside two peers, submissions, growth, look-ups (BENCH="growth")
	@$(BIN)/python benchmarks/log.py --peers $(BIN)/peers/bin/python $(BENCH)

.PHONY: bench-resemblance
bench-resemblance: model ## measure how often sketches miss relatives and mistake strangers for them
	@$(BIN)/python benchmarks/resemblance.py

.PHONY: format
format: setup ## put the code into its one format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: setup ## choose versions anew within pyproject.toml and write the lock files (asks the package index)
	$(BIN)/python .ci/lock.py

.PHONY: clean
clean: ## remove what was built
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist
