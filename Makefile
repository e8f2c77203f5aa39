# make demo   upscale the example pictures with the bundled model
# make test   lint, types and tests

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint types clean

demo: $(VENV)/.installed
	$(BIN)/python scripts/demo.py examples demo-output

test: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

# torch comes first and alone: then nothing else pulls in another build of it.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) demo-output .mypy_cache .ruff_cache .pytest_cache
