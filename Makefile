# Two commands do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# How many processes run the tests; each loads torch. One has the real services, and mostly waits for them.
WORKERS ?= 3

.PHONY: install demo test coverage lint docs clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt --editable '.[dev,labelstudio,postgres]'
	touch $@

demo: install
	$(BIN)/curate --home .demo demo $(ARGS)

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --no-loadscope-reorder --durations=15 $(MEASURED)

# The same tests, a third slower: which lines they run. It fails below 90 %.
coverage: MEASURED := --cov --cov-report=term --cov-fail-under=90
coverage: test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .demo site dist
