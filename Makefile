.DEFAULT_GOAL := help
.PHONY: help up test test-fast check lock bench clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
# The environment is made from the lock file with uv, which is itself installed from the package index.
STAMP  := $(VENV)/.installed

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): locks/development.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "Python 3.11, 3.12 or 3.13 is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet "uv>=0.5"
	@env -u PYTHONDONTWRITEBYTECODE VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --reinstall-package forecasting-platform locks/development.txt
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $@

install: $(STAMP) ## create .venv from the lock file

up: $(STAMP) ## start the embedded platform and run the main job (ARGS="--exit-when-served")
	@$(BIN)/forecasting-platform up $(ARGS)

test: $(STAMP) ## run the whole test suite, fast tests first
	@$(BIN)/python -m pytest $(ARGS)

check: $(STAMP) ## lint, types and the dependency law
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

lock: ## resolve the dependencies anew into locks/
	@sh locks/update
