# Two commands matter: `make demo` and `make test`. Everything they need lands in .venv and var/.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HOST   ?= 127.0.0.1
PORT   ?= 8000
DATA   ?= sample_data
RESET  ?= 0
SERVE  ?= 1
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help demo run test lint bench install clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "faceproject needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "The venv module is missing; on Debian and Ubuntu: apt install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "Installing what the product runs on (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-cassandra.txt requirements-azure.txt requirements-deploy.txt $(VENV)/installed
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/installed-bench: requirements-bench.txt $(VENV)/installed-dev
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

install: $(VENV)/installed ## make the virtual environment

demo: $(VENV)/installed ## the whole loop on sample data, then serve (DATA=folder RESET=1 SERVE=0 PORT=8000)
	@$(BIN)/python manage.py demo --data "$(DATA)" --host $(HOST) --port $(PORT) \
	  $(if $(filter 1,$(RESET)),--reset) $(if $(filter 0,$(SERVE)),--no-serve)

run: $(VENV)/installed ## web and workers on what is there
	@$(BIN)/python manage.py run --host $(HOST) --port $(PORT)

test: $(VENV)/installed-dev ## the test suite (ARGS="-k name" picks)
	@$(BIN)/python -m pytest -n auto --dist loadgroup $(ARGS)

lint: $(VENV)/installed-dev ## format, lint, types, layers, templates, migrations, settings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python manage.py makemigrations --check --dry-run
	@echo "settings of an installation that serves others"; home=$$(mktemp -d); trap 'rm -rf "$$home"' EXIT; \
	  export FACEPROJECT_HOME=$$home EMBEDDED=false ALLOWED_HOSTS=example.org \
	    SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(60))'); \
	  $(BIN)/python manage.py collectstatic --noinput --verbosity 0 && \
	  $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: $(VENV)/installed-bench ## measure; prints one table and writes benchmarks/results/
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove the virtual environment (state in var/ stays)
	rm -rf $(VENV)
