# Everything a checkout needs, from nothing but Python 3.11 or newer. Begin with `make help`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
AGENTDOJO := .venv-agentdojo
SERVERS := .venv-servers
SQLITE := .venv-servers-sqlite
FUZZ := .fuzz

# Start-up time is part of the product, so what runs from here may keep its byte code.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-databases unit e2e crash mutants wheel pythons claude-code check-install chaos soak fuzz servers conformance lint types mypy pyright format bench bench-peers agentdojo lock pages texts clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A price in dollars is no variable of make's.
ifdef PROMPT
override export PROMPT := $(value PROMPT)
endif

# A checkout that was updated brings its own file up to date; a database that somebody named is theirs to migrate.
demo: $(VENV)/.runtime ## See a run from prompt to report: make demo PROMPT="Tell the team about the outage"
	@test -n "$$DATABASE_URL" || $(BIN)/massgen-bot migrate >/dev/null 2>&1 || true
	@$(BIN)/massgen-bot demo $${PROMPT:+"$$PROMPT"} $(ARGS) || case $$? in 3 | 4) ;; *) exit $$? ;; esac

# Tests also wait, for deadlines that pass and for processes that start: one job more than there are cores.
CORES := $(shell getconf _NPROCESSORS_ONLN)
JOBS ?= $(shell expr $(CORES) + 1)
PYTEST = pytest --numprocesses $(JOBS) --dist worksteal

# Minutes each, so they have targets of their own; ALL=1 is what CI runs, and coverage is measured there.
APART := tests/chaos tests/crash tests/e2e tests/installation tests/mutants tests/soak

test: $(VENV)/.dev ## Run the tests: make test ARGS="-k ballot"; ALL=1 adds e2e, crash, mutants and wheel, with coverage
ifdef ALL
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m $(PYTEST) $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
	@$(if $(ARGS),,$(BIN)/coverage report --include='coordination/domain/*' --fail-under=100)
else
	@$(BIN)/python -m $(PYTEST) $(APART:%=--ignore=%) $(ARGS)
endif

# These hardly wait: a process more would only import everything once more.
unit: JOBS = $(CORES)
unit: $(VENV)/.dev ## The quick tests, for while you write: make unit ARGS="-k ballot"
	@$(BIN)/python -m $(PYTEST) --quiet $(ARGS) tests/unit

e2e: $(VENV)/.dev ## Run the whole program from outside: terminal, Discord and Slack
	@$(BIN)/python -m $(PYTEST) $(ARGS) tests/e2e

# Those of the chats run on an SQLite file in `make e2e`, those of the service on a log in memory in `make test`.
CHATS = tests/e2e/test_*in_chats.py tests/e2e/test_discord_*.py tests/e2e/test_slack_*.py \
	tests/e2e/test_apart.py tests/e2e/test_chat_frames.py tests/e2e/test_line_chat.py tests/e2e/test_up.py
test-databases: $(VENV)/.dev ## Storage, engine, service and chats on SQLite and PostgreSQL, each of their stories on both
	@$(BIN)/python -m $(PYTEST) --database sqlite $(ARGS) tests/service
	@$(BIN)/python -m $(PYTEST) --database postgresql $(ARGS) tests/service tests/contract $(CHATS)

crash: $(VENV)/.dev ## Kill processes at every point, freeze them, and stop their database
	@$(BIN)/python -m $(PYTEST) $(ARGS) tests/crash tests/chaos tests/soak

mutants: $(VENV)/.dev ## Seed mistakes into the code, one at a time: the tests must notice each
	@$(BIN)/python -m $(PYTEST) $(ARGS) tests/mutants

wheel: $(VENV)/.dev ## Build the wheel and use it away from the checkout
	@$(BIN)/python -m $(PYTEST) $(ARGS) tests/installation

pythons: ## The quick tests on each Python from 3.11 to 3.14 that is on this machine, with the SQLite that it has
	@scripts/pythons $(ARGS)

claude-code: $(VENV)/.claude-code ## Install Claude Code's library too (170 MB to fetch), so that make test tries that adapter

chaos: $(VENV)/.dev ## The same for 10 minutes, in an order that a seed gives: make chaos ARGS="--seed 7 --seconds 30"
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: $(VENV)/.dev ## 300 runs in one process over tool servers that restart, hang and write junk: nothing may grow
	@$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(VENV)/.dev ## The same properties as the tests, on inputs that coverage leads to: make fuzz ARGS="--seconds 60"
	@$(MAKE) --no-print-directory $(FUZZ)/.installed || true
	@$(BIN)/python -m tests.fuzz $(ARGS)

servers: $(VENV)/.dev $(SERVERS)/.installed $(SQLITE)/.installed ## Install published MCP servers from npm and PyPI, so that make test tries them
	@$(BIN)/python -m tests.published $(ARGS)

conformance: $(VENV)/.dev ## Run the MCP project's own test suite for clients against ours; npm fetches it the first time
	@$(BIN)/python -m tests.conformance $(ARGS)

check-install: $(VENV)/.dev ## Install each lock in a fresh environment, as if all of it had newer releases
	@$(BIN)/python -m tests.installation

lint: $(VENV)/.dev ## Style, spelling, and which module may import which
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/lint-imports

types: mypy pyright ## mypy and pyright, both strict; with make -j 2 side by side

mypy pyright: $(VENV)/.dev
	@$(BIN)/$@

format: $(VENV)/.dev ## Let ruff lay out the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## Time whole runs against a mock model server, as ratios to a bare HTTP client
	@$(BIN)/python -m tests.bench $(ARGS)

bench-peers: $(PEERS)/.installed ## Install other frameworks beside ours, for make bench to time too

agentdojo: $(AGENTDOJO)/.installed ## How many of AgentDojo's injected calls get a warning, and how many others: 95 % and 15 % are held
	@PYTHONPATH=. $(AGENTDOJO)/bin/python -m tests.bench.peers.agentdojo_marks $(ARGS)

lock: ## Resolve pyproject.toml into requirements/: make lock ARGS="--upgrade-package openai"
	@scripts/lock "$(PYTHON)" $(ARGS)

texts: $(VENV)/.dev ## Compile the sentences in bot/locales/*.po, after which they are spoken
	@$(BIN)/python scripts/texts $(ARGS)

pages: $(VENV)/.dev ## Write the tables of variables and threats in docs/
	$(VENV)/bin/python scripts/variables
	$(VENV)/bin/python scripts/threats

clean: ## Remove what make made
	rm -rf $(VENV) $(PEERS) $(AGENTDOJO) $(SERVERS) $(SQLITE) $(FUZZ) .venv-pythons .conformance .servers .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist

# --- installing -------------------------------------------------------------------------------------------------------

# A lock is complete: nothing is resolved, so nothing that was published since can matter.
# Byte code is made of what is imported, when it first is: half of what developers install never is.
define install
	@echo "Installing $(2), with checked hashes: a minute or so, once." >&2
	@$(1)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes $(3) --requirement $(2)
	@$(1)/bin/python -m pip check --disable-pip-version-check
endef

define install_project
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
endef

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml | $(BIN)/python
	$(call install,$(VENV),requirements/runtime.txt)
	$(install_project)
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call install,$(VENV),requirements/dev.txt,--no-compile)
	$(install_project)
	@touch $(VENV)/.runtime $@

$(VENV)/.claude-code: requirements/claude-code.txt | $(VENV)/.dev
	$(call install,$(VENV),requirements/claude-code.txt,--no-compile)
	@$(BIN)/python -m tests.claude_code_runs || { $(BIN)/python -m pip uninstall -qq --yes claude-agent-sdk; exit 1; }
	@touch $@

$(SERVERS)/.installed: requirements/servers.txt | $(SERVERS)/bin/python
	$(call install,$(SERVERS),requirements/servers.txt,--no-compile)
	@touch $@

$(SQLITE)/.installed: requirements/servers-sqlite.txt | $(SQLITE)/bin/python
	$(call install,$(SQLITE),requirements/servers-sqlite.txt,--no-compile)
	@touch $@

# Beside what is in .venv, which it is used with; there is none for some systems, and building one takes a Clang.
$(FUZZ)/.installed: requirements/fuzz.txt | $(BIN)/python
	@echo "Installing $<, with checked hashes." >&2
	@rm -rf $(FUZZ)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes --only-binary :all: --no-compile --target $(FUZZ) --requirement $<
	@touch $@

$(AGENTDOJO)/.installed: requirements/agentdojo.txt | $(AGENTDOJO)/bin/python
	$(call install,$(AGENTDOJO),requirements/agentdojo.txt,--no-compile)
	@touch $@

$(PEERS)/.installed: requirements/peers.txt | $(PEERS)/bin/python
	$(call install,$(PEERS),requirements/peers.txt)
	@touch $@

%/bin/python:
	@scripts/venv "$(PYTHON)" $*
