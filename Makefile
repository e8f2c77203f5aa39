# make demo   upscale the example pictures with the bundled model, without PyTorch
# make test   lint, types and tests
# make test-interop   tests with other people's models and with videos, in an environment of their own
# make test-cluster   tests on a Ray cluster of two nodes on this machine, in the same environment
# make docs   the site of the documents, with its links checked, in build/site
# make dist   the wheel and the sdist for a package index, checked, in dist/

PYTHON ?= python3
SCRIPTS := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
VENV ?= .venv
BIN := $(VENV)/$(SCRIPTS)
INTEROP_VENV ?= .venv-interop
INTEROP_BIN := $(INTEROP_VENV)/$(SCRIPTS)
DOCS_VENV ?= .venv-docs
DOCS_BIN := $(DOCS_VENV)/$(SCRIPTS)
DIST_VENV ?= .venv-dist
DIST_BIN := $(DIST_VENV)/$(SCRIPTS)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
INSTALL := $(BIN)/python $(PIP_INSTALL)
INTEROP_INSTALL := $(INTEROP_BIN)/python $(PIP_INSTALL)

.PHONY: demo test test-interop test-cluster lint types docs dist clean

demo: $(VENV)/.installed
	$(BIN)/python scripts/demo.py examples demo-output

test: lint types
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test-interop: $(INTEROP_VENV)/.installed
	OMP_NUM_THREADS=1 $(INTEROP_BIN)/python -m pytest -n 0 tests/interop tests/video tests/cli/test_video.py "tests/test_how_to.py::test_every_command_runs[video]"

test-cluster: $(INTEROP_VENV)/.installed-cluster
	OMP_NUM_THREADS=1 $(INTEROP_BIN)/python -m pytest -n 0 tests/interop/test_cluster.py

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test
	$(BIN)/mypy

docs: $(DOCS_VENV)/.installed
	$(DOCS_BIN)/python scripts/build_site.py

# The wheel is built from the sdist, so that what is missing there shows.
dist: $(DIST_VENV)/.installed
	rm -rf dist
	$(DIST_BIN)/python -m build --no-isolation
	$(DIST_BIN)/twine check --strict dist/*

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

# torch comes first and alone: then nothing else pulls in another build of it.
$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) "$$(grep '^torch==' constraints.txt)"
	$(INSTALL) --editable '.[test]'
	touch $@

# spandrel needs torchvision, which would choose a torch of its own: neither of them may bring dependencies.
$(INTEROP_VENV)/.installed: pyproject.toml constraints.txt constraints-interop.txt
	$(PYTHON) -m venv $(INTEROP_VENV)
	$(INTEROP_INSTALL) "$$(grep '^torch==' constraints.txt)"
	$(INTEROP_INSTALL) --editable . pytest pytest-timeout pytest-xdist
	$(INTEROP_INSTALL) --no-deps --requirement constraints-interop.txt
	touch $@

# s3fs pins libraries of Amazon's below those of constraints.txt, and goes with the fsspec pinned there.
$(INTEROP_VENV)/.installed-cluster: $(INTEROP_VENV)/.installed
	$(INTEROP_INSTALL) --editable '.[ray]'
	$(INTEROP_BIN)/python -m pip install --quiet --disable-pip-version-check "s3fs==$$(sed -n 's/^fsspec==//p' constraints.txt)" 'moto[server]'
	touch $@

$(DOCS_VENV)/.installed: constraints-docs.txt
	$(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints-docs.txt zensical mkdocstrings-python
	touch $@

$(DIST_VENV)/.installed: constraints-dist.txt
	$(PYTHON) -m venv $(DIST_VENV)
	$(DIST_BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints-dist.txt build hatchling twine
	touch $@

clean:
	rm -rf $(VENV) $(INTEROP_VENV) $(DOCS_VENV) $(DIST_VENV) build dist demo-output .mypy_cache .ruff_cache .pytest_cache
