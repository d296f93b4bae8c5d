# Everything sets itself up: a machine needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test check fix docs site bench hazards-matrix alembic-projects faults clean

demo: $(READY)          ## play a release on the embedded PostgreSQL
	@$(BIN)/migsafe demo

test: $(READY)          ## run the tests on the embedded PostgreSQL, or on MIGSAFE_TEST_URL
	$(BIN)/pytest -n 2 --dist worksteal $(ARGS)

check: $(READY)         ## lint, types, layers, spelling, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python docs/generate.py --check
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs 2 -c docs . build/site

fix: $(READY)           ## mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python docs/generate.py

docs: $(READY)          ## write the generated pages
	$(BIN)/python docs/generate.py

site: $(READY)          ## build the docs as a site in build/site, warnings as errors
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --jobs 2 -c docs . build/site

bench: $(READY)         ## ratios against psql, in one run
	$(BIN)/python bench/run.py

hazards-matrix: $(READY) ## hold the hazards on each PostgreSQL that npm has; MAJORS="14 15" for some
	$(BIN)/python -m tests.hazards_matrix $(MAJORS)

alembic-projects: $(READY) ## hold real Alembic projects of the registry against their own upgrade
	$(BIN)/python -m tests.real_alembic $(ARGS)

faults: $(READY)        ## disturb deployments in many ways, and write docs/reliability.md
	$(BIN)/python -m tests.faults $(ARGS)

clean:                  ## remove what the other commands made
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "migsafe needs Python 3.11 or newer")'
	@echo 'Setting up $(VENV) (once)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/pip install -qq --disable-pip-version-check --editable '.[embedded]' --group test --group check
	@touch $@
