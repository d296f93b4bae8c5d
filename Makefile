# Everything sets itself up: a machine needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

MINIMUM       := build/minimum
MINIMUM_TESTS := tests/unit tests/contract/test_histories.py tests/cli/test_commands.py \
	tests/cli/test_alembic.py tests/cli/test_api.py tests/cli/test_pytest_plugin.py \
	tests/aws/test_rds.py tests/aws/test_clients.py

ROLES_TESTS   := tests/contract tests/cli $(addprefix tests/db/test_,audits.py verify.py \
	verify_schema.py derived.py names.py wrong_verdicts.py edited.py forged.py)

.PHONY: demo test test-minimum test-roles coverage check fix docs site bench hazards-matrix alembic-projects faults clean

demo: $(READY)          ## play a release on the embedded PostgreSQL
	@$(BIN)/migsafe demo

test: $(READY)          ## run the tests on the embedded PostgreSQL, or on MIGSAFE_TEST_URL
	$(BIN)/pytest -n 3 --dist worksteal $(ARGS)

test-minimum: $(READY)  ## run some tests with the lowest versions that pyproject.toml allows
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(MINIMUM)
	$(BIN)/uv pip install --quiet --python $(MINIMUM)/bin/python --resolution lowest-direct \
		--editable '.[embedded]' --group test
	$(MINIMUM)/bin/pytest -n 3 --dist worksteal $(or $(ARGS),$(MINIMUM_TESTS))

test-roles: $(READY)    ## run what calls the command line, each command as the role that grants makes for it
	MIGSAFE_TEST_ROLES=1 $(BIN)/pytest -n 3 --dist worksteal $(or $(ARGS),$(ROLES_TESTS))

coverage: $(READY)      ## measure the branches that the tests take, child processes included
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest -n 3 --dist worksteal $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

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
	MIGSAFE_FAULTS=$${MIGSAFE_FAULTS:-1} $(BIN)/python -m tests.faults $(ARGS)

clean:                  ## remove what the other commands made
	rm -rf $(VENV) build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "migsafe needs Python 3.11 or newer")'
	@echo 'Setting up $(VENV) (once)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/pip install -qq --disable-pip-version-check --editable '.[embedded]' --group test --group check
	@touch $@
