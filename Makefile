# Everything a developer or a curious user types. `make` alone lists the targets.
# Other Python: make PYTHON=python3.12 …   Another CUDA or CPU build of torch: set PIP_EXTRA_INDEX_URL.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
VENV_EO ?= .venv-eo
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_EO := $(VENV_EO)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help install quickstart test test-eo soak lint bench bench-gpu clean

help:
	@echo "make install     .venv with the package, its extras and what developers need"
	@echo "make quickstart  the whole chain, small: maps to embeddings, under 4 minutes"
	@echo "make test        the quick suite    make soak   what takes longer"
	@echo "make test-eo     the tests beside TerraTorch, in an environment of their own (.venv-eo)"
	@echo "make lint        ruff, mypy, import-linter"
	@echo "make bench       measure; results in benchmarks/"
	@echo "make bench-gpu   measure the model on a GPU; needs torch, numpy and pyarrow, no installation"

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"error: wanted Python 3.11 or later, found {v.major}.{v.minor} as $(PYTHON); give make PYTHON=python3.11")'
	@echo "making $(VENV) and installing minortom with its extras (some 2.5 GB, a few minutes)"
	@$(PYTHON) -m venv $(VENV)
	@# torch first: the build at hand (a CPU build, say) then satisfies what comes after it
	@$(BIN)/python -m pip install --quiet $(TORCH)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,evaluate,blosc2,dev]'
	@$(BIN)/python -m pip check
	@touch $@

quickstart: $(INSTALLED)
	@$(BIN)/minortom quickstart --out quickstart --overwrite

test: $(INSTALLED)
	@echo "running the quick suite on all cores"; $(BIN)/python -m pytest --numprocesses auto --dist loadfile

soak: $(INSTALLED)
	@echo "running what takes longer"; $(BIN)/python -m pytest -m soak

test-eo: $(INSTALLED_EO)
	@echo "running the tests beside TerraTorch"; $(VENV_EO)/bin/python -m pytest tests_eo

$(INSTALLED_EO): pyproject.toml constraints-eo.txt
	@echo "making $(VENV_EO) and installing minortom beside TerraTorch (some 2.7 GB)"
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

# A GPU's, one that trains for an hour, one of a trained model.
APART := benchmarks/gpu% benchmarks/evaluate.py benchmarks/real_scenes.py
bench: $(INSTALLED)
	@for script in $(filter-out $(APART),$(wildcard benchmarks/[a-z]*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

# In whatever Python has torch, such as a bare PyTorch image's.
bench-gpu:
	@PYTHONPATH=. $(PYTHON) benchmarks/gpu.py

clean:
	rm -rf $(VENV) $(VENV_EO) quickstart build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
