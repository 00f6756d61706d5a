# Every command of the project. A machine needs Python 3.11+ and make; the rest is installed into
# .venv on first use. `make help` lists the commands.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.SILENT:
# Nothing here may reach a real account by accident; `deploy` alone uses yours.
unexport AWS_PROFILE

PYTHON ?= python3
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.synced
NODE_READY := node_modules/.synced
PORT ?= 8787
NAME ?= main
STAGE ?= dev
RUNTIME := python3.13
# USER is the login name in most shells: only the one given to make names a user.
NAMED_USER = $(if $(findstring command line,$(origin USER)),$(USER))
# Tests of the local cloud mostly wait, so one process runs them and the others have the cores.
JOBS ?= 3
XDIST = --dist loadscope --no-loadscope-reorder
OPENAPI := docs/openapi.json
EXPORT = $(BIN)/uv export --frozen --quiet --no-cache --no-emit-project --no-header --no-annotate

export UV_PROJECT_ENVIRONMENT := $(VENV)
export SAM_CLI_TELEMETRY := 0
# Some containers set it. Then every process compiles every module: the tests take a third longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help bootstrap demo up down token stripe logs audit rebuild-wallet rebuild-projections test coverage test-long lint format unit openapi breaking release-openapi client bench \
        requirements validate build deploy clean

help: ## Show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bootstrap: $(READY) ## Install what is needed into .venv

$(READY): pyproject.toml uv.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	echo "Installing into $(VENV) (once)" >&2
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) >&2
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)" >&2
	test -w "$${HOME:-/}" || export UV_NO_CACHE=1; \
	$(BIN)/uv sync --frozen --quiet --inexact --python $(BIN)/python >&2
	touch $@

# Node only checks and builds what frontends use; `make up` and `make demo` do without it.
$(NODE_READY): package.json package-lock.json clients/typescript/package.json
	node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)' \
	  || { echo "Node 20.19 or newer is needed for the tests of the API document and of the client" >&2; exit 1; }
	echo "Installing into node_modules (once)" >&2
	test -w "$${HOME:-/}" || export npm_config_cache=$(CURDIR)/node_modules/.npm-cache; \
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	touch $@

demo: $(READY) ## The whole story on this machine: upload, confirm, watch, regenerate, receipt
	$(BIN)/python -m local.run_demo

up: $(READY) ## Start the local cloud at http://127.0.0.1:8787 (PORT=… PARAMS="Name=value …")
	$(BIN)/python -m local up --name $(NAME) --port $(PORT) --params "$${PARAMS-}"

down: $(READY) ## Stop it, keeping the data
	$(BIN)/python -m local down --name $(NAME)

token: $(READY) ## Print a bearer token: make token USER=alice [ROLE=admin]
	$(BIN)/python -m local token --name $(NAME) --user "$(NAMED_USER)" $(if $(ROLE),--role $(ROLE))

stripe: $(READY) ## Run a stand-in for Stripe that pays every checkout; prints what goes into .env
	PYTHONPATH=layers/core/python $(BIN)/python -m tests.support.try_stripe --name $(NAME)

logs: $(READY) ## Follow what the functions log
	$(BIN)/python -m local logs --name $(NAME)

audit: $(READY) ## Prove the books of the running local cloud: make audit [ACCOUNT=…]
	$(BIN)/python -m local audit --name $(NAME) $(if $(ACCOUNT),--account "$(ACCOUNT)")

rebuild-wallet: $(READY) ## Derive a wallet from its ledger again: make rebuild-wallet ACCOUNT=…
	$(BIN)/python -m local rebuild-wallet --name $(NAME) --account "$(ACCOUNT)"

rebuild-projections: $(READY) ## Count the log of events again, for template analytics and margins
	$(BIN)/python -m local rebuild-projections --name $(NAME)

test: lint validate $(NODE_READY) ## Lint, types, the template and all quick tests
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) $(XDIST)

coverage: $(READY) $(NODE_READY) ## The quick tests with branch coverage, which may not fall; twice as long
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) $(XDIST) --cov --cov-report=term:skip-covered

test-long: $(READY) $(NODE_READY) ## The tests that build or load for minutes: an hour on two cores
	$(BIN)/python -m pytest -m slow -n 2 $(XDIST)

unit: $(READY) ## Only the tests of pure code and of vendors, in seconds
	$(BIN)/python -m pytest tests/unit -m "not slow"

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Let ruff rewrite what it can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# The endpoint leads nowhere and the time is of now: SAM asks neither AWS nor the package index.
validate: $(READY) ## Check template.yaml with cfn-lint and SAM
	mkdir -p .darkroom/sam
	echo "{\"telemetryEnabled\": false, \"lastVersionCheck\": $$(date +%s).0}" > .darkroom/sam/metadata.json
	AWS_DEFAULT_REGION=us-east-1 AWS_ENDPOINT_URL=http://127.0.0.1:9 \
	AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none __SAM_CLI_APP_DIR=$(CURDIR)/.darkroom/sam \
	$(BIN)/sam validate --lint --template-file template.yaml >/dev/null

openapi: $(READY) ## Write docs/openapi.json from the code
	PYTHONPATH=layers/core/python $(BIN)/python -m darkroom.api.openapi > $(OPENAPI).new
	mv $(OPENAPI).new $(OPENAPI)

breaking: $(READY) ## List what in docs/openapi.json breaks clients of the last release
	$(BIN)/python -m tests.support.breaking_changes

release-openapi: $(READY) ## Keep docs/openapi.json as the API of this release
	$(BIN)/python -m tests.support.breaking_changes keep

client: $(NODE_READY) ## Write the types of the TypeScript client from docs/openapi.json
	npm run --silent --workspace clients/typescript schema

bench: $(READY) ## Run the benchmarks
	$(BIN)/python -m bench

requirements: $(READY) ## Export the layers' requirements from the lock
	$(EXPORT) --no-default-groups > layers/deps/requirements.txt
	$(EXPORT) --only-group payments > layers/payments/requirements.txt
	$(EXPORT) --only-group tokens > layers/tokens/requirements.txt

build: $(READY) ## Build for AWS (needs the runtime's Python on the PATH)
	find layers functions -name __pycache__ -prune -exec rm -rf {} +
	$(BIN)/sam build
	$(RUNTIME) layers/finish_build.py .aws-sam/build

deploy: build ## Build and deploy to your AWS account: make deploy STAGE=dev
	$(BIN)/sam deploy --config-env $(STAGE)

clean: ## Remove what was built and the local data; keeps .venv
	for state in .darkroom/*/pid; do \
	  test ! -e $$state || $(BIN)/python -m local down --state $${state%/pid} >/dev/null; \
	done
	rm -rf .aws-sam .darkroom demo-output clients/typescript/dist clients/typescript/build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find layers functions local tests -name __pycache__ -prune -exec rm -rf {} +
