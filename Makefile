# `make repro` rebuilds the results, `make test` proves the code, `make real` teaches a pretrained student. Each sets
# everything up first. JOBS=4: so many cells at once, a thread each. Not said: as many as there are GPUs, else cores.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro real test lint setup
repro: setup
	OMP_NUM_THREADS=1 cot repro $(if $(JOBS),--jobs $(JOBS))
	@cat metrics/table.md

# another setting in params.yaml: `git checkout params.yaml dvc.lock metrics` brings the default back
real: setup
	cot presets use real
	OMP_NUM_THREADS=1 cot repro $(if $(JOBS),--jobs $(JOBS))
	@cat metrics/table.md
	@echo "The papers' tables beside this one: $(CURDIR)/metrics/report/ft.html"

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
