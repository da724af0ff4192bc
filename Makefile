PYTHON ?= python3
BIN := .venv/bin
SETUP := .venv/.setup-done

.DEFAULT_GOAL := help
.PHONY: help setup engines check format test demo bench clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(SETUP) ## make .venv with nbslim and its development tools

$(SETUP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --compile-bytecode --editable '.[runtime]' --group dev
	mkdir -p build/src/nbslim
	for package in analyzer packer runtime; do ln -sfn ../../../$$package build/src/nbslim/$$package; done
	touch $@

engines: ## install the tools of the tests (engines, strace, a browser, wrk) where root and apt allow it
	@tests/install-engines

check: setup ## lint, format check and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: setup ## rewrite the code in the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test: setup engines ## run all tests; ends with the table of image sizes
	$(BIN)/pytest $(ARGS)

demo: setup engines ## pack the example, serve it, post a sample, print the answer and the sizes
	@PYTHONPATH=tests/shared $(BIN)/python tests/demo.py

bench: setup engines ## print the measurements, as ratios of one run; ARGS=touched: that part alone (tests/bench)
	@PYTHONPATH=tests/shared $(BIN)/python tests/bench $(ARGS)

clean: ## remove what make made
	rm -rf .venv build dist *.egg-info
