# One command for each thing that people do here. They need git, make and Python >= 3.11 and install the rest
# into .tools, .venv and labextension/node_modules (plus Debian packages where said), so that a second run is instant.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV ?= .venv
export VENV
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# Byte code is what makes the second import of MLflow three times faster than the first.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONHOME
unexport PYTHONPATH

BOOTSTRAP := scripts/bootstrap.sh
PYTHON_INPUTS := pyproject.toml constraints.txt labextension/package.json $(BOOTSTRAP)
RUN := $(VENV)/.stamp-run
DEV := $(VENV)/.stamp-dev
NODE := labextension/node_modules/.stamp
PANEL := jupyter_modelserve/labextension/static/style.js
TS := cd labextension && jlpm

.PHONY: help demo lab test check chaos bench bench-peers docs pictures lock format clean lint panel-test bootstrap

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(RUN) ## train, register, serve and score a model from a notebook
	@$(VENV)/bin/python scripts/demo.py

lab: $(PANEL) ## build the panel and start JupyterLab on the example notebooks
	@$(VENV)/bin/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

check: $(DEV) lint ## lint, types, import contracts, unit tests (3 minutes at most)
	@$(VENV)/bin/python -m pytest tests/unit -q -m "not slow and not browser and not docker"

test: $(DEV) $(PANEL) lint panel-test ## everything; the last line is pytest's summary
	@$(BOOTSTRAP) curl
	@$(BOOTSTRAP) browser
	@$(BOOTSTRAP) docker
	@$(BOOTSTRAP) deep
	@$(VENV)/bin/python -m pytest

chaos: $(DEV) ## kill and change all under load on both engines for an hour (ENGINE=docker: one alone), write docs/reliability.md
	@$(if $(filter process,$(ENGINE)),:,$(BOOTSTRAP) docker)
	@CHAOS=long $(VENV)/bin/python -m pytest tests/chaos $(if $(ENGINE),-k $(ENGINE)) || ended=$$?; $(VENV)/bin/python scripts/reliability.py; exit $${ended:-0}

bench: $(DEV) ## measure speed beside mlflow models serve (ten minutes); build/bench.md
	@$(BOOTSTRAP) wrk
	@$(VENV)/bin/python -m benchmarks all

bench-peers: $(DEV) ## the same beside MLServer, BentoML, LitServe and Ray Serve (installs them; 20 minutes)
	@$(BOOTSTRAP) wrk
	@$(VENV)/bin/python -m benchmarks peers

docs: $(DEV) ## regenerate the reference tables in docs/reference; fails on a link that leads nowhere
	@for script in scripts/docs*.py; do $(VENV)/bin/python $$script; done

pictures: ## take the screenshots of the last make test over into docs
	@$(VENV)/bin/python scripts/pictures.py

lock: .tools/bin/uv ## resolve constraints.txt anew (make lock ARGS=--upgrade for newer versions)
	@$(BOOTSTRAP) lock $(ARGS)

format: $(DEV) $(NODE) ## format Python and TypeScript
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix-only .
	@$(TS) prettier

clean: ## remove everything that was built or installed
	rm -rf .tools $(VENV) build dist jupyter_modelserve/labextension labextension/lib labextension/node_modules \
		labextension/.yarn labextension/tsconfig.tsbuildinfo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

bootstrap: $(RUN)

# -------------------------------------------------------------------------------------------------- parts of the above
lint: $(DEV)
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/lint-imports --no-logo 2>&1 | tail -n 30
	@$(VENV)/bin/mypy

panel-test: $(NODE)
	@$(TS) lint:check
	@$(TS) test

.tools/bin/uv: | $(BOOTSTRAP)
	@$(BOOTSTRAP) tools

$(RUN): $(PYTHON_INPUTS) | .tools/bin/uv
	@$(BOOTSTRAP) venv demo
	@touch $@

$(DEV): $(PYTHON_INPUTS) | .tools/bin/uv
	@$(BOOTSTRAP) venv dev
	@touch $@ $(RUN)

$(NODE): labextension/package.json labextension/yarn.lock | $(DEV)
	@$(BOOTSTRAP) node
	@$(TS) install --immutable
	@touch $@

$(PANEL): $(NODE) $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null) labextension/tsconfig.json
	@$(TS) build
	@$(VENV)/bin/jupyter-builder develop . --overwrite >/dev/null
	@touch $@
