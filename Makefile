# Two commands matter: `make demo` shows what this is, `make test` shows that it works.
# Both set up everything they need in .venv; nothing outside this folder is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
CHECK := build/check
# Most tests wait for something: two processes a core keep it busy. 0 runs all tests in one.
WORKERS ?= 4
PYTEST_ARGS ?=

# Clients that no Debian package brings; without them their tests skip.
CLIENTS := $(CURDIR)/build/clients
export ECR_REFRESHD_TEST_CLIENTS ?= $(wildcard $(CLIENTS))
AWSCLI := $(CURDIR)/build/awscli
export ECR_REFRESHD_AWS_CLI ?= $(wildcard $(AWSCLI)/bin/aws)

.PHONY: demo test clients awscli faults soak bench lint types wheel check-folder clean

demo: $(VENV)/wheel
	@$(BIN)/python -m tests.world.demo $(DEMO_ARGS)

# The tests run against the built wheel, from a folder that has everything of the checkout but the package.
test: $(VENV)/tests check-folder
	cd $(CHECK) && $(BIN)/python -m pytest --numprocesses $(WORKERS) $(PYTEST_ARGS)

# The newest docker, compose, crane, oras and ecr-login, built with Go for the tests (a few minutes, once).
clients:
	.ci/clients $(CLIENTS)

# The AWS CLI, in a folder of its own: it pins a botocore older than the one under test (once, from PyPI).
awscli: $(AWSCLI)/bin/aws

$(AWSCLI)/bin/aws:
	$(PYTHON) -m venv $(AWSCLI)
	$(AWSCLI)/bin/pip install --quiet --disable-pip-version-check awscli

# Faults seeded into a copy of the core: each must be caught by a test (a few minutes).
faults: $(VENV)/tests
	$(BIN)/python -m tests.core.seeded_faults

# Two hundred lives of ninety days, in the real loop on a hand-set clock (about ten minutes).
soak: $(VENV)/tests
	$(BIN)/python -m tests.simulation $(SOAK_ARGS)

# The figures of docs/benchmarks.md (about ten minutes on a quiet machine).
bench: $(VENV)/tests
	$(BIN)/python -m tests.bench --write

lint: $(VENV)/tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/tests
	$(BIN)/mypy

wheel: $(VENV)/wheel

SOURCES := $(shell find bin ecr_refreshd systemd launchd -type f -not -name '*.pyc') config.example.toml README.md LICENSE

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	touch $@

$(VENV)/wheel: $(VENV)/ready pyproject.toml $(SOURCES)
	rm -rf dist
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .
	$(BIN)/pip install --quiet dist/*.whl
	$(BIN)/pip install --quiet --force-reinstall --no-deps dist/*.whl
	touch $@

$(VENV)/tests: $(VENV)/wheel
	$(BIN)/pip install --quiet --group tests --group lint --group typing
	touch $@

check-folder:
	rm -rf $(CHECK)
	mkdir -p $(CHECK)
	for each in *; do case $$each in ecr_refreshd|build|dist) ;; *) ln -s ../../$$each $(CHECK)/$$each ;; esac; done

clean:
	rm -rf $(VENV) build dist .demo .hypothesis .mypy_cache .ruff_cache .pytest_cache
