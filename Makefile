# Two commands: `make repro` rebuilds the results, `make test` proves the code. Both set everything up first.
# `make repro JOBS=4`: so many cells at once, a thread each. Not said: as many as there are GPUs, else cores.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro test lint setup
repro: setup
	OMP_NUM_THREADS=1 cot repro $(if $(JOBS),--jobs $(JOBS))
	@cat metrics/table.md

test: setup
	OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --maxprocesses 4 \
		--dist loadfile --no-loadscope-reorder

lint: setup
	ruff format --check .
	ruff check .
	mypy

setup: .venv/ready
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else \
		"Python 3.11, 3.12 or 3.13 is needed; give one with PYTHON=...")'
	$(PYTHON) -m venv .venv
	$(PIP) -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
