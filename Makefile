# lwipscope from a bare machine: needs make and Python 3.11 or newer; everything else is fetched.
# Each target is a thin call of `python -m lwipscope`, which can be used directly as well.

PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/ready

.DEFAULT_GOAL := help
.PHONY: help setup firmware demo test mutants bench lint clean

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

setup: $(READY) ## install the tools that are missing and build the firmware, once
	@$(PY) -m lwipscope setup

firmware: setup ## the same: the firmware of both profiles, ready to run

demo: setup ## one connection, from SYN to TIME_WAIT, on the emulated board
	@$(PY) -m lwipscope demo

test: setup ## all tests
	@$(PY) -m pytest

mutants: setup ## would the tests notice a tracer that misses something? takes minutes
	@PYTHONPATH=tests $(PY) -m oracle.mutants

bench: setup ## how fast the board and the host are
	@$(PY) -m lwipscope bench

lint: $(READY) ## style and types
	@.venv/bin/ruff check host tests
	@.venv/bin/ruff format --check host tests
	@.venv/bin/mypy
	@MYPYPATH=host:tests .venv/bin/mypy -p oracle

clean: ## remove all that the other targets made, in this folder and in the cache
	@PYTHONPATH=host PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m lwipscope.firmware.cache
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build lwipscope-logs
	@find host tests firmware \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

# The environment is ready when pyproject.toml's wishes are fulfilled: a second run does nothing.
$(READY): pyproject.toml | .venv/bin/pip
	@echo "installing lwipscope into .venv"
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# Debian keeps a part of the venv module in a package of its own.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: Python 3.11 or newer is needed, $(PYTHON) is not; try make PYTHON=python3.12" >&2; \
	  exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  root=; test "$$(id -u)" = 0 || root="sudo -n"; \
	  if command -v apt-get >/dev/null && $$root true 2>/dev/null; then \
	    echo "installing the Debian package python3-venv"; \
	    install="$$root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv"; \
	    $$install >/dev/null 2>&1 || { $$root apt-get update -qq && $$install >/dev/null; }; \
	  else \
	    echo "make: $(PYTHON) cannot make virtual environments; type: sudo apt-get install python3-venv" >&2; \
	    exit 2; \
	  fi; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
