.DEFAULT_GOAL := help
.PHONY: help install up test test-fast coverage check lint audit docs dist format bench mutate house lock clean

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
# The environment is made from the lock file with uv, which is itself installed from the package index.
# Bytecode is compiled at once: an import of Dagster takes 6 s without it.
STAMP  := $(VENV)/.installed
UV     := env -u PYTHONDONTWRITEBYTECODE VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/uv

# One test more at once than there are cores, and what shares a server in one process: see conftest.py.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses logical --no-loadscope-reorder

# Checksums, drawings, tests with made-up passwords, and code of others look like secrets.
NO_SECRETS := '^(locks|forecasting_platform_tests|benchmarks/results)/|package-lock|vendor/|baseline$$|\.png$$'

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(STAMP): locks/development.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { echo "Python 3.11 to 3.14 is needed: make PYTHON=/path/to/python3.14 …" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) from locks/development.txt"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	@$(UV) pip install --quiet --compile-bytecode --require-hashes --requirements locks/development.txt
	@$(UV) pip install --quiet --no-deps --editable .
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q forecasting_platform serve
	@touch $@

install: $(STAMP) ## create .venv from the lock file

up: $(STAMP) ## start the embedded platform and run the main job on it (ARGS="--exit-when-served")
	@exec $(BIN)/forecasting-platform up $(ARGS)

test: $(STAMP) ## run the whole suite, fast tests first (ARGS="-k promotion")
	@.ci/system-packages
	@$(PYTEST) $(ARGS)

test-fast: $(STAMP) ## run the tests that start no server
	@$(PYTEST) -m "not slow" $(ARGS)

coverage: $(STAMP) ## which lines the tests run that start no whole platform
	@$(PYTEST) -m "not end_to_end" --cov=forecasting_platform --cov=serve --cov-branch --cov-report=term:skip-covered $(ARGS)

check: lint docs audit ## all that needs no test: lint, docs, known vulnerabilities

lint: $(STAMP) ## lint, format, types, the dependency law, Dagster's definitions, secrets
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@env -i HOME="$$HOME" PATH="$$PATH" $(BIN)/dg check defs
	@$(BIN)/detect-secrets-hook --no-verify --baseline .secrets.baseline $$(git ls-files | grep -vE $(NO_SECRETS))

audit: $(STAMP) ## look for known vulnerabilities of the locked packages
	@locks/audit

docs: $(STAMP) ## build the documentation into build/docs; a broken link is an error
	@PYTHONWARNINGS=ignore $(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs

dist: $(STAMP) ## build the source distribution, and the wheel from it, into dist/
	@$(BIN)/uv build --quiet

format: $(STAMP) ## format the code
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(STAMP) ## run a benchmark (NAME=accuracy, DATA=folder of feeds)
	@$(BIN)/python -m benchmarks.$(or $(NAME),accuracy) $(if $(DATA),--data "$(DATA)")

house: $(STAMP) ## how the code is laid out: lines, functions, comments
	@$(BIN)/python -m benchmarks.house

mutate: $(STAMP) ## change the promotion rule and the control functions, and count which changes the tests notice
	@$(BIN)/uv pip install --quiet --target build/mutation "mutmut==3.8.1"
	@PYTHONPATH=build/mutation $(BIN)/python -m mutmut run
	@PYTHONPATH=build/mutation $(BIN)/python -m mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json

lock: ## resolve the dependencies anew into locks/
	@locks/update

clean: ## remove the environment; data directories stay
	@rm -rf $(VENV)
