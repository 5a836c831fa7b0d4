# Set-up and daily commands. Needs make and Python 3.11 or newer; everything else goes into .venv and .cache.
# `make` alone lists the commands. Options: VERBOSE=1 shows what pip does, PYTHON=… picks the interpreter,
# ARGS=… goes to pytest, the service or the benchmarks, UPGRADE=1 lets `make lock` move to newer releases.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help run test check docs bench lock sbom clean
.DELETE_ON_ERROR:

# Tools get their bytecode, reports and scratch databases out of sight.
export HYPOTHESIS_STORAGE_DIRECTORY := .cache/hypothesis

venv := .venv
python := $(venv)/bin/python
pip := $(python) -m pip --disable-pip-version-check --no-input install $(if $(VERBOSE),,--quiet) --no-deps
candidates := $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3)
modern := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# $(call stamp,NAME,FILES): the mark of a finished set-up; it changes its name with the content of the files.
stamp = $(venv)/$(1)-$(shell cat $(2) | cksum | tr ' ' '-')
run_files := $(addprefix requirements/,run.txt local.txt build.txt)
ready_to_run := $(call stamp,run,pyproject.toml $(run_files))
ready_to_check := $(call stamp,check,requirements/extras.txt requirements/dev.txt)
ready_to_bench := .venv-bench/made-$(shell cat requirements/bench.txt | cksum | tr ' ' '-')
ready_to_lock := $(call stamp,lock,requirements/lock.txt)

# An environment is made anew when a set-up was cut short, when the clone was moved (its scripts name their
# interpreter by the full path), or when its Python is gone.
whole := $(shell test ! -e $(venv)/busy && test "$$(cat $(venv)/made 2>/dev/null)" = "$$(pwd)" \
	&& $(python) -c 'import pip' 2>/dev/null && echo yes)
ifeq ($(whole),)
.PHONY: $(venv)/made
endif

help: ## list these commands
	@sed -n 's/^\([a-z]*\):[^#]*## /  make \1\t/p' Makefile

run: $(ready_to_run) ## start the service on STANDFIRST_HOST:STANDFIRST_PORT (127.0.0.1:8000)
	@echo 'run: starting Standfirst; ctrl-C stops it'
	@exec $(venv)/bin/standfirst serve $(ARGS)

test: check ## run the gates of `make check`, then all tests with coverage
	@echo 'test: pytest with coverage'
	@$(python) -m pytest --cov $(ARGS)

check: $(ready_to_run) $(ready_to_check) ## check format, lint, types, import contracts, docs and Dockerfile
	@echo 'check: format, lint, types, import contracts, docs, Dockerfile'
	@$(python) -m ruff format --check --quiet .
	@$(python) -m ruff check --quiet .
	@$(python) -m mypy --no-error-summary
	@$(venv)/bin/lint-imports --no-logo --cache-dir .cache/import-linter
	@$(venv)/bin/standfirst settings --into docs/operations.md --check
	@[ ! -x $(venv)/bin/hadolint ] || $(venv)/bin/hadolint Dockerfile # its wheel is for Linux

docs: $(ready_to_run) ## write the parts of docs/ that are made from code
	@$(venv)/bin/standfirst settings --into docs/operations.md

bench: $(ready_to_run) $(ready_to_check) $(ready_to_bench) ## run the benchmarks
	@echo 'bench: each measurement beside its limit'
	@$(python) -m bench $(ARGS)

# Only pins that no longer fit pyproject.toml move, unless UPGRADE=1. The first file is an input of the next.
compile = $(venv)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --annotation-style line $(if $(UPGRADE),--upgrade)
extras := encryption parquet pdf slack tracing
lock: $(ready_to_lock) ## remake requirements/*.txt from pyproject.toml
	@echo 'lock: requirements/*.txt from pyproject.toml'
	@$(compile) pyproject.toml --output-file requirements/run.txt
	@$(compile) pyproject.toml $(addprefix --extra ,$(extras)) --constraints requirements/run.txt \
		--output-file requirements/extras.txt
	@$(compile) --group local --no-deps --output-file requirements/local.txt
	@$(compile) --group dev --constraints requirements/extras.txt --output-file requirements/dev.txt
	@$(compile) --group build --constraints requirements/dev.txt --output-file requirements/build.txt
	@$(compile) --group bench --output-file requirements/bench.txt
	@$(compile) --group lock --output-file requirements/lock.txt

sbom: $(ready_to_check) ## write dist/sbom.json (CycloneDX) and docs/licences.md
	@echo 'sbom: dist/sbom.json, docs/licences.md'
	@$(python) deploy/sbom.py

clean: ## remove .venv, .cache and what builds leave behind
	@echo 'clean: .venv, .cache, dist, build'
	@rm -rf $(venv) .venv-bench .cache dist build

$(venv)/made:
	@for p in $(candidates); do \
		"$$p" -c '$(modern)' 2>/dev/null || continue; \
		echo "set-up: .venv with $$("$$p" -V)"; \
		rm -rf $(venv) && "$$p" -m venv $(venv) && pwd > $@; exit; \
	done; \
	echo 'set-up: needs Python 3.11 or newer with its venv module; found none among: $(candidates).' \
		'Install one, or name it with PYTHON=/path/to/python.' >&2; exit 1

# `busy` stands while the environment is being changed.
begin = @echo 'set-up: $(1)' && touch $(venv)/busy && rm -f $(venv)/$(2)-*
end = @rm $(venv)/busy && touch $@

$(ready_to_run): $(venv)/made
	$(call begin,the service and the embedded model,run)
	@$(pip) --require-hashes $(addprefix -r ,$(run_files))
	@$(pip) --no-build-isolation -e .
	$(end)

$(ready_to_check): $(ready_to_run)
	$(call begin,the tools for checks and tests,check)
	@$(pip) --require-hashes -r requirements/extras.txt -r requirements/dev.txt
	$(end)

$(ready_to_bench): $(ready_to_check)
	@echo 'set-up: what the benchmarks compare with'
	@rm -rf .venv-bench && $(python) -m venv .venv-bench
	@$(subst $(venv)/,.venv-bench/,$(pip)) --require-hashes -r requirements/bench.txt
	@touch $@

$(ready_to_lock): $(venv)/made
	$(call begin,uv,lock)
	@$(pip) --require-hashes -r requirements/lock.txt
	$(end)
