# warren: what can be done in this checkout. `make setup` needs Python 3.11+ and the package index; nothing else is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SEEDS ?= 2000
SECONDS ?= 60

.PHONY: help setup demo test check simulate mutants fuzz bench-connect bench-stun bench-data bench-server bench-many bench-backends nat-matrix reference proto kube-apiserver clean

help:
	@echo "make demo          two peers behind NATs find each other, state by state"
	@echo "make test          set up and run all tests"
	@echo "make check         style, types, layers, generated code, and make test: what CI runs"
	@echo "make simulate SEEDS=$(SEEDS) | mutants | fuzz SECONDS=$(SECONDS)"
	@echo "make reference     write docs/reference.md, files.md and state-diagram.md from the code"
	@echo "make nat-matrix    every pair of NATs in network namespaces (root, Linux), written to docs/nat-matrix.md"
	@echo "make bench-connect | bench-stun | bench-data | bench-server | bench-many | bench-backends"
	@echo "make proto         generate src/warren/_pb from proto/"

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PYTHON) tools/dev_requirements.py > $(VENV)/dev-requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable '.[all]' --requirement $(VENV)/dev-requirements.txt
	@touch $@

setup: $(VENV)/.ready

demo: setup
	@$(BIN)/warren demo

test: setup
	@tools/system-packages
	@$(BIN)/python -m tests.kube.build || true
	$(BIN)/pytest --numprocesses 2 --dist worksteal

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

simulate: setup
	$(BIN)/python -m tests.scenarios.simulate --seeds $(SEEDS)

mutants: setup
	$(BIN)/python -m tests.scenarios.mutants

fuzz: setup
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

bench-connect bench-stun bench-data bench-server bench-many bench-backends: setup
	$(BIN)/python -m bench.$(subst bench-,,$@)

nat-matrix: setup
	WARREN_NAT_MATRIX=docs/nat-matrix.md $(BIN)/pytest tests/netns/test_nat_matrix.py

reference: setup
	$(BIN)/python tools/reference.py
	$(BIN)/python tools/file_map.py
	$(BIN)/python tools/state_diagram.py

kube-apiserver: setup
	@$(BIN)/python -m tests.kube.build

proto: setup
	$(BIN)/python tools/generate_proto.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist src/*.egg-info
