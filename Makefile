# Everything here works from a clean clone with nothing but Python 3.11 or newer and make.
.DEFAULT_GOAL := help
.PHONY: help setup demo test proof check bench docs lock clean

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with everything that is locked, and fetch Kafka (once)
	@sh tools/setup.sh "$(PYTHON)"

demo: setup ## Watch all of it at work: accepted, routed, delivered, retried, dead-lettered
	@$(BIN)/python -m examples.demo

test: setup ## All tests, against real Kafka brokers that they start
	@$(BIN)/pytest --numprocesses 3 --dist loadfile

proof: setup ## Tests that need minutes each: a silent broker, twenty kills in a million events
	@$(BIN)/pytest -m proof -rP

check: setup ## Format, lint, types, imports, catalogue, what is generated, lock file
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/eventstreams catalog check
	@$(BIN)/eventstreams generate-producers --check --into producers/products
	@$(BIN)/python -m tools.reference --check
	@$(BIN)/python -m tools.lock --check
	@echo "all checks passed"

bench: setup ## Measure codec, matcher, worker loop and router on this machine
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.router

docs: setup ## Write what is generated: pages from the code, typed producers from the catalogue
	@$(BIN)/python -m tools.reference
	@$(BIN)/eventstreams generate-producers --into producers/products

lock: setup ## Choose and pin new versions of all dependencies
	@$(BIN)/python -m tools.lock

clean: ## Remove what setup and the tests made
	rm -rf $(VENV) .eventstreams .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* .import_linter_cache
