# Targets for users and developers. `make` alone lists them.
# Another Python: make PYTHON=python3.12 …   Another CUDA or CPU build of torch: set PIP_EXTRA_INDEX_URL.
PYTHON ?= python3
VENV ?= .venv
VENV_EO ?= .venv-eo
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_EO := $(VENV_EO)/.installed
EXTRAS := train,cluster,evaluate,blosc2,onnx,docs,dev
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install quickstart test test-eo test-lowest test-newest soak lint docs lock resolve bench bench-gpu clean

help:
	@echo "make install     make .venv with the package, its extras and the tools of developers"
	@echo "make quickstart  run the whole chain on little data, from maps to embeddings, in under 4 minutes"
	@echo "make test        run the quick tests    make soak   run the slow tests"
	@echo "make test-eo     run the tests with TerraTorch, in a separate environment (.venv-eo)"
	@echo "make test-lowest make test-newest   run the quick tests with the lowest or the newest versions that"
	@echo "                 pyproject.toml allows, in .venv-lowest or .venv-newest"
	@echo "make lint        run ruff, mypy and import-linter"
	@echo "make docs        build the documentation as a site that opens without a network, site/index.html"
	@echo "make resolve     resolve constraints.txt for every Python and platform    make lock   write it again"
	@echo "make bench       run the benchmarks; some write results to benchmarks/"
	@echo "make bench-gpu   measure the model on a GPU; needs torch, numpy and pyarrow, no installation"

install: $(INSTALLED)

# $(call check-python): one line for a Python that constraints.txt is not for.
check-python = @$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 14) else "error: expected Python 3.11 to 3.14, found %d.%d as $(PYTHON); give make PYTHON=python3.11" % v)'

$(INSTALLED): pyproject.toml constraints.txt
	$(check-python)
	@echo "making $(VENV) and installing minortom with its extras (some 2.5 GB, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@# torch first: its build, such as a CPU build, then satisfies the requirements of the other packages
	@$(BIN)/python -m pip install --constraint constraints.txt torch
	@$(BIN)/python -m pip install --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@$(BIN)/python -m pip check
	@touch $@

quickstart: $(INSTALLED)
	@$(BIN)/minortom quickstart --out quickstart --overwrite

test: $(INSTALLED)
	@echo "running the quick suite on all cores"; $(BIN)/python -m pytest --numprocesses auto --dist worksteal

soak: $(INSTALLED)
	@echo "running the slow tests"; $(BIN)/python -m pytest -m soak

test-eo: $(INSTALLED_EO)
	@echo "running the tests with TerraTorch"; $(VENV_EO)/bin/python -m pytest tests_eo

$(INSTALLED_EO): pyproject.toml constraints.txt
	$(check-python)
	@echo "making $(VENV_EO) and installing minortom with TerraTorch (some 2.7 GB)"
	@$(PYTHON) -m venv $(VENV_EO)
	@$(VENV_EO)/bin/python -m pip install --constraint constraints.txt torch
	@$(VENV_EO)/bin/python -m pip install --constraint constraints.txt --editable '.[train,evaluate,terratorch]' pytest
	@$(VENV_EO)/bin/python -m pip check
	@touch $@

# uv resolves, since pip cannot take the lowest versions; its torch is the registry's build, with CUDA on Linux.
RESOLUTION_lowest := lowest-direct
RESOLUTION_newest := highest
# Old releases call deprecated parts of the packages that they need.
PYTEST_lowest := -W default
test-lowest test-newest: test-%: .venv-%/.installed
	@echo "running the quick suite with the $* versions"; .venv-$*/bin/python -m pytest $(PYTEST_$*) --numprocesses auto --dist worksteal

.venv-%/.installed: pyproject.toml $(INSTALLED)
	@echo "making .venv-$* and installing minortom with the $* versions (some 6 GB)"
	@$(BIN)/uv venv --quiet --clear --python $(PYTHON) .venv-$*
	@$(BIN)/uv pip install --python .venv-$* --upgrade --resolution $(RESOLUTION_$*) --editable '.[$(EXTRAS)]'
	@touch $@

lock: $(INSTALLED)
	@UV=$(BIN)/uv .ci/dependencies lock $(LOCK_OPTIONS)

resolve: $(INSTALLED)
	@UV=$(BIN)/uv .ci/dependencies check

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The theme prints a note about its successor at each build, unless the variable is set.
docs: $(INSTALLED)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir site
	@$(BIN)/python -m website.check site

# Left out of `make bench`: they need a GPU, a trained model, or a folder for hours of training (`OUT`).
TRAINING := $(shell grep -lE 'arms_parser|"out", ' benchmarks/[a-z]*.py)
APART := benchmarks/gpu% benchmarks/real_scenes.py $(TRAINING)
bench: $(INSTALLED)
	@for script in $(filter-out $(APART),$(wildcard benchmarks/[a-z]*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

# Runs with any Python that has torch, such as the one in a plain PyTorch image.
bench-gpu:
	@PYTHONPATH=. $(PYTHON) benchmarks/gpu.py

clean:
	rm -rf $(VENV) $(VENV_EO) .venv-lowest .venv-newest quickstart site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
