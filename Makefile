# Everything here works from a clean clone with nothing but Python 3.11, 3.12 or 3.13 and make.
.DEFAULT_GOAL := help
.PHONY: help setup demo test proof test-compose test-cluster fuzz audit check bench docs site lock clean

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
# Tests start many processes: none is to compile the modules that the one before it has compiled.
export PYTHONDONTWRITEBYTECODE :=

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with everything that is locked, and fetch Kafka (once)
	@sh tools/setup.sh "$(PYTHON)"

demo: setup ## Watch all of it at work: accepted, routed, delivered, retried, dead-lettered
	@$(BIN)/python -m examples.demo

test: setup ## All tests, against real Kafka brokers that they start; what failed beside others once more, alone
	@$(BIN)/python -m tools.run_tests --forked --one-kafka --tx '4*popen' --tx popen//nice=5 --max-worker-restart 20 --dist loadfile --no-loadscope-reorder --durations 25

proof: setup ## Tests that need minutes each: the API fuzzed at length; a silent broker, twenty kills in a million events, each of a hundred thousand judged
	@$(BIN)/pytest -m proof -rP

test-compose: setup ## The image and compose on a real Docker Engine: built, up, healthy, delivering
	@$(BIN)/pytest -m docker tests/docker -rP

test-cluster: setup ## The chart on a real Kubernetes cluster: installed, upgraded and rolled back under load, scaled by KEDA
	@$(BIN)/pytest -m cluster tests/cluster -rPs

fuzz: setup ## Coverage-guided fuzzing of what reads bytes from outside, FUZZ_S seconds for each (60)
	@for target in envelope avro event form filter authorization destination key answer console; do \
		echo "fuzzing: $$target" && $(BIN)/python -m tools.fuzz $$target -max_total_time=$${FUZZ_S:-60} || exit 1; done

audit: setup ## Ask for known vulnerabilities of what is locked; needs the network
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.lock
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-java.lock
	@$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements-uv.lock

check: setup ## Format, lint, types, imports, catalogue, what is generated, lock file, licences, secrets
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/eventstreams catalog check
	@$(BIN)/eventstreams generate-producers --check --into producers/products
	@$(BIN)/python -m tools.reference --check
	@$(BIN)/python -m tools.dashboards --check
	@$(BIN)/python -m tools.lock --check
	@$(BIN)/python -m tools.licences --check
	@$(BIN)/python -m tools.secret_scan
	@echo "all checks passed"

bench: setup ## Measure codec, matcher, worker loop, router, the whole path and what runs idle on this machine
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.router
	@$(BIN)/python -m benchmarks.path
	@$(BIN)/python -m benchmarks.idle

docs: setup ## Write what is generated: pages from the code, typed producers from the catalogue
	@$(BIN)/python -m tools.reference
	@$(BIN)/python -m tools.dashboards
	@$(BIN)/eventstreams generate-producers --into producers/products

site: setup ## Build the documentation into build/site; a broken link, a missing anchor or image, a page that is nowhere fails
	@$(BIN)/python -m tools.site build/site

lock: setup ## Choose and pin new versions of all dependencies
	@$(BIN)/python -m tools.lock

clean: ## Remove what setup and the tests made
	rm -rf $(VENV) build .eventstreams .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* .import_linter_cache
