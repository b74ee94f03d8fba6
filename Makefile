# Two commands do everything on a machine that has Python 3.11 or later: make demo, make test.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint types soak bench docs screenshots clean

help:
	@echo "make demo   import samples/leads.xlsx into a local Add record service"
	@echo "make test   check style and types, run the tests"
	@echo "make soak   kill and interrupt imports again and again, and count what arrived; fuzz"
	@echo "make bench  measure what docs/performance.md promises, about 40 minutes"
	@echo "make docs   write the pages that come from the code"
	@echo "make screenshots   take pictures of the console, of every step"

demo: $(VENV)/.demo
	@$(BIN)/vcc-import run samples/leads.xlsx -m mappings/leads.yaml \
	  --sandbox-project samples/project.yaml; code=$$?; \
	if [ $$code -eq 1 ]; then \
	  echo; \
	  echo "The exit code is 1, since some rows of the sample are wrong on purpose: the lines above"; \
	  echo "say what to mend. Open failures.csv, or failures.xlsx, in the results folder."; \
	  echo "Before you paste a command from above: source $(VENV)/bin/activate"; \
	else exit $$code; fi

test: lint types
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal --benchmark-disable

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

soak: $(VENV)/.dev
	SOAK_ROWS=100000 SOAK_KILLS=200 $(BIN)/python -m pytest -q tests/recovery/test_kill.py -k killed
	SOAK_PLAN_ROWS=30000 SOAK_PLAN_KILLS=30 $(BIN)/python -m pytest -q tests/plans/test_killed_plans.py
	SOAK_SIGNALS=60 $(BIN)/python -m pytest -q tests/recovery/test_signals.py
	SOAK_EXAMPLES=20 $(BIN)/python -m pytest -q -n auto --maxprocesses 4 -m hypothesis

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run $(BENCH)

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py

# They are looked at, in the folder screenshots; docs/console.png is one of them.
screenshots: $(VENV)/.dev
	$(BIN)/python docs/screenshots.py screenshots

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), about a minute …"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,fast]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
