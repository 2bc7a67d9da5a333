# make run     the server, with everything it needs, at http://127.0.0.1:4646
# make test    every check there is
# make dist    the wheel, in ./dist: the same bytes from the same commit
# make bench   the figures of the README, beside their baselines
# make soak    the server under work for as long as you let it
# make openapi renews docs/openapi.json, the committed copy of the API's document
# make screenshots renews the pictures in docs/ from the demonstration
# make format  what a program can mend, mended
# make clean   removes what these made; never ./data
#
# Nothing outside this folder is touched but the package caches and, by `run`, the command line's credential.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help run test check dist bench soak openapi screenshots format clean system

UV_VERSION := 0.13.9
UV := .uv/uv-$(UV_VERSION)/bin/uv
BIN := .venv/bin

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
# As pip does: a company's own certificates stand in the system's store.
export UV_SYSTEM_CERTS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The first of these that runs and is new enough: a name on PATH may be a stand-in that only complains.
FIND_PYTHON := for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	  "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null \
	    && "$$name" -c 'import sys; print(sys.executable)' && exit 0; \
	done; true

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

run: .venv/.runs
	@ONDUTY_DATA="$${ONDUTY_DATA-./data}" exec $(BIN)/onduty serve

test: system .venv/.synced
	@$(MAKE) --no-print-directory check
	$(BIN)/pytest

check: .venv/.synced
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# By hash all that has a hand in it; built from a commit, it bears the commit's date.
dist: $(UV)
	@rm -rf dist
	@SOURCE_DATE_EPOCH="$${SOURCE_DATE_EPOCH-$$(git log -1 --format=%ct)}" $(UV) build --quiet --python "$$($(FIND_PYTHON))" \
	  --build-constraints build-requirements.txt --require-hashes
	@ls dist/*

bench: system .venv/.synced
	@$(BIN)/python -m benchmarks

soak: .venv/.synced
	@$(BIN)/python -m benchmarks.soak

openapi: .venv/.synced
	@$(BIN)/python -m tests.openapi.renew

screenshots: .venv/.synced
	@$(BIN)/python -m tests.browser.screenshots

format: .venv/.synced
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .uv .tools dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache tests/agents/node_modules tests/browser/node_modules tests/mcp/conformance/node_modules
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What the server needs, and no more; leaves in place what the tests need where it is there already.
.venv/.runs: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --no-dev --inexact --python "$$($(FIND_PYTHON))"
	@touch $@

.venv/.synced: $(UV) pyproject.toml uv.lock
	@$(UV) sync --quiet --locked --python "$$($(FIND_PYTHON))"
	@touch $@

$(UV):
	@python="$$($(FIND_PYTHON))"; \
	if [ -z "$$python" ]; then echo "Onduty needs Python 3.11, 3.12, 3.13 or 3.14 as python3 on your PATH." >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	  package="$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$package"; \
	  else echo "This Python has no venv module: install your system's package for it (Debian: $$package)." >&2; exit 1; fi; \
	fi; \
	echo "Setting up: uv $(UV_VERSION), then .venv from uv.lock"; \
	"$$python" -m venv --clear .uv/uv-$(UV_VERSION); \
	.uv/uv-$(UV_VERSION)/bin/pip install --quiet --no-deps "uv==$(UV_VERSION)"
	@touch $@

# Programs that tests start, `command:package`: a browser for the pages, npm for the agents' own clients, a database
# server, whose programs Debian keeps off the PATH.
SYSTEM := chromium:chromium npm:npm initdb:postgresql
SYSTEM_PATH = $(PATH):$(subst $() ,:,$(wildcard /usr/lib/postgresql/*/bin))

system:
	@missing=; \
	for pair in $(SYSTEM); do PATH="$(SYSTEM_PATH)" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else \
	  echo "Not installed:$$missing. Install what your system calls so: the tests that need it cannot run without." >&2; \
	  [ "$${CI:-}" != true ]; \
	fi
