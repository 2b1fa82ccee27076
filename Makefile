# Needs make and Python 3.11, 3.12 or 3.13; everything else goes into .venv.
# Another interpreter: make test PYTHON=/path/to/python3.12      Part of the tests: make test PYTEST="-k config"
# One file after the other: make test JOBS=0

PYTHON ?=
PYTEST ?=
JOBS ?= 2
BIN := .venv/bin
# What an install is made of. The stamp holds a copy, so that only a changed content installs again.
PINS := { cat requirements-dev.txt pyproject.toml setup.py; pwd; }

.PHONY: help quickstart try test test-all test-web test-android apk lint format benchmarks docs wheel venv clean

help:
	@echo "make try          relight a portrait from three sides (under 3 minutes, install included)"
	@echo "make quickstart   render scenes, train, evaluate, relight two pictures (under 10 minutes)"
	@echo "make test         lint, types and the quick tests (under 8 minutes on 2 cores)"
	@echo "make test-all     lint, types and all tests but those that take minutes each: what .ci/run does"
	@echo "make test-web     the browser app in Chromium, networks exported first"
	@echo "make test-android the Android app on the JVM, and its APK"
	@echo "make apk          the Android app"
	@echo "make lint         ruff and mypy only"
	@echo "make format       rewrite the code with ruff"
	@echo "make benchmarks   speed of the parts that need no other package"
	@echo "make docs         the documentation as pages, in build/docs/html"
	@echo "make wheel        write dist/: a wheel and a source distribution"
	@echo "make clean        remove .venv and caches"

quickstart: venv
	$(BIN)/python -m tf_relight.quickstart

try: venv
	$(BIN)/python -m tf_relight.quickstart try

# Whole files go to each process, because their tests share traced networks and rendered data.
test: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow and not long" $(PYTEST)

test-all: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not slow" $(PYTEST)

test-web test-android apk: venv
	$(MAKE) -C mobile_demo $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmarks: venv
	$(BIN)/python -m benchmarks.input

docs: venv
	$(BIN)/python docs/build.py

wheel: venv
	$(BIN)/python -m build --no-isolation --outdir dist .

venv:
	@if [ -f .venv/installed ] && [ "$$($(PINS))" = "$$(cat .venv/installed)" ] && $(BIN)/python -c ""; then \
	  exit 0; \
	fi; \
	set -e; \
	if [ ! -f .venv/installed ] || ! $(BIN)/python -c ""; then \
	  for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python); do \
	    if "$$python" -c "import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" \
	      2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$${found:-}" ]; then \
	    echo "make: no Python 3.11, 3.12 or 3.13 with the modules venv and pip was found."; \
	    echo "Install one (Debian, Ubuntu: apt install python3 python3-venv), or name it: make test PYTHON=/path/to/python3.12"; \
	    exit 1; \
	  fi; \
	  echo "Creating .venv with $$("$$found" --version), then installing about 2 GB of packages (a minute or two)."; \
	  "$$found" -m venv --clear .venv; \
	fi; \
	rm -f .venv/installed; \
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt; \
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	$(PINS) > .venv/installed

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find tf_relight tests -name __pycache__ -type d -prune -exec rm -rf {} +
