# One word per chore, the same here and in CI. Every chore does its own set-up, in .venv inside this folder; a second
# run finds it done. PYTHON names another interpreter: make demo PYTHON=python3.12. WORKERS are the processes that share
# the tests: make test WORKERS=8. BUILD goes to the build of the image: make image BUILD="--build-arg PIP_EXTRA_INDEX_URL=..."

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench serve image docs clean lock

help: ## these lines
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: .venv/.ready-dev ## everything that the other chores need

demo: .venv/.ready-train ## train on a made world, measure, recommend: the whole way in one go
	@$(BIN)/recsys demo

test: .venv/.ready-dev ## the quick tests, and the examples in the docstrings
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: .venv/.ready-dev ## style, types, and that the results page is what the measurements give
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python benchmarks/render.py --check

bench: .venv/.ready-dev ## measure again: writes benchmarks/results and benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/quality.py
	@$(BIN)/python benchmarks/render.py

serve: .venv/.ready-train ## answer over HTTP from the folder `artifact` that `recsys train` wrote
	@$(BIN)/recsys serve artifact

image: ## the container image, by Docker or, without its engine, by podman (NAME=recsys-app)
	@app/image.sh $(BUILD)

docs: .venv/.ready-docs ## the documentation as a site, in site/
	@$(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

clean: ## remove what can be made again, .venv too; data, artifacts and results stay
	rm -rf .venv .lock-env site dist build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: a step is done again when what it is made from has changed, or when it was broken off.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo 'not there')." \
	         "Name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }

.venv/.ready-train: requirements.txt requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing PyTorch and the other packages into .venv (about 2 minutes, once; see requirements.txt) ..."
	@$(PIP) install -r requirements.txt
	@touch $@

.venv/.ready-dev: requirements-dev.lock .venv/.ready-train
	@echo "Installing the tools for tests and checks into .venv (about half a minute, once) ..."
	@$(PIP) install -r requirements-dev.lock
	@touch $@

.venv/.ready-docs: requirements-docs.lock | .venv/bin/python
	@echo "Installing the site builder into .venv (some seconds, once) ..."
	@$(PIP) install -r requirements-docs.lock
	@touch $@

# New locks from the ranges in pyproject.toml. What PyTorch's CUDA build brings along belongs to that build, not here.
FREEZE = .lock-env/bin/python -m pip freeze --exclude-editable | grep -Ev '^(torch|triton|nvidia-|cuda-)'
lock: .venv/bin/python ## resolve all packages afresh; writes the three requirements*.lock
	@echo "Resolving in .lock-env (some minutes) ..."
	@rm -rf .lock-env && $(BIN)/python -m venv .lock-env
	@.lock-env/bin/python -m pip install -qq mkdocs
	@{ echo "# What \`make docs\` needs; made by \`make lock\`."; $(FREEZE); } > requirements-docs.lock
	@$(BIN)/python -m venv --clear .lock-env
	@.lock-env/bin/python -m pip install -qq -e '.[all]'
	@{ echo "# What running, training and serving need, PyTorch apart (see requirements.txt); made by \`make lock\`."; \
	   $(FREEZE); } > requirements.lock
	@.lock-env/bin/python -m pip install -qq -e '.[all,dev]'
	@{ echo "# What tests and checks need besides requirements.lock; made by \`make lock\`."; \
	   $(FREEZE) | grep -vxFf requirements.lock; } > requirements-dev.lock
	@rm -rf .lock-env
	@echo "Now set app/requirements.txt to the same versions (a test compares them) and run: make test check"
