# One-line targets; continuous integration calls the same ones.
PYTHON ?= python3
BIN := .venv/bin
# Real tables beside the checkout are used when they are there; nothing needs them.
export LLM_NAS_DATA ?= $(realpath $(wildcard ../shared/data))
export LLM_NAS_UPSTREAM ?= $(realpath $(wildcard ../shared/upstream))

.PHONY: search test test-slow lint install dev clean

search: install  ## install, then search networks for small images on this computer
	$(BIN)/llm-nas search

test: dev  ## install and run the quick tests
	$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow"

test-slow: dev  ## what needs servers, a browser or trainings
	$(BIN)/pytest -q -m slow

lint: dev  ## style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

install: .venv/installed
dev: .venv/installed-dev

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

.venv/installed: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info src/*.egg-info
