# Targets for users and developers. `make` alone lists them.
# Another Python: make PYTHON=python3.12 …   Another CUDA or CPU build of torch: set PIP_EXTRA_INDEX_URL.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
VENV_EO ?= .venv-eo
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_EO := $(VENV_EO)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install quickstart test test-eo soak lint docs bench bench-gpu clean

help:
	@echo "make install     make .venv with the package, its extras and the tools of developers"
	@echo "make quickstart  run the whole chain on little data, from maps to embeddings, in under 4 minutes"
	@echo "make test        run the quick tests    make soak   run the slow tests"
	@echo "make test-eo     run the tests with TerraTorch, in a separate environment (.venv-eo)"
	@echo "make lint        run ruff, mypy and import-linter"
	@echo "make docs        build the documentation as a site that opens without a network, site/index.html"
	@echo "make bench       run the benchmarks; some write results to benchmarks/"
	@echo "make bench-gpu   measure the model on a GPU; needs torch, numpy and pyarrow, no installation"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"error: expected Python 3.11 or later, found {v.major}.{v.minor} as $(PYTHON); give make PYTHON=python3.11")'
	@echo "making $(VENV) and installing minortom with its extras (some 2.5 GB, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@# torch first: its build, such as a CPU build, then satisfies the requirements of the other packages
	@$(BIN)/python -m pip install --quiet $(TORCH)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,cluster,evaluate,blosc2,onnx,docs,dev]'
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

$(INSTALLED_EO): pyproject.toml constraints-eo.txt
	@echo "making $(VENV_EO) and installing minortom with TerraTorch (some 2.7 GB)"
	@$(PYTHON) -m venv $(VENV_EO)
	@$(VENV_EO)/bin/python -m pip install --quiet $(TORCH)
	@$(VENV_EO)/bin/python -m pip install --quiet --constraint constraints-eo.txt --editable '.[train,evaluate,terratorch]' pytest
	@$(VENV_EO)/bin/python -m pip check
	@touch $@

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The theme prints a note about its successor at each build, unless the variable is set.
docs: $(INSTALLED)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --site-dir site
	@$(BIN)/python -m website.check site

# Left out of `make bench`: they need a GPU, an hour of training, or a trained model.
APART := benchmarks/gpu% benchmarks/evaluate.py benchmarks/finetune.py benchmarks/real_scenes.py
bench: $(INSTALLED)
	@for script in $(filter-out $(APART),$(wildcard benchmarks/[a-z]*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

# Runs with any Python that has torch, such as the one in a plain PyTorch image.
bench-gpu:
	@PYTHONPATH=. $(PYTHON) benchmarks/gpu.py

clean:
	rm -rf $(VENV) $(VENV_EO) quickstart site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
