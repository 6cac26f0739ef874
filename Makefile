# `make help` is the manual. CI calls these targets and nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
MEMBERS := contracts training-job model rollout cli
CODE := $(MEMBERS:%=%/src) tests bench scripts

.PHONY: help
help: ## Show this manual
	@printf 'Kanarya: the model behind your endpoint changes only when the evidence says so.\n\n'
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Use
.PHONY: demo
demo: setup ## Run the whole story on this machine: train, serve, promote, roll back (KEEP=1 leaves it running)
	@$(PY) -m kanarya_cli demo $(if $(KEEP),--keep)

.PHONY: down
down: setup ## Stop what `make demo KEEP=1` or `kanarya local up` left running
	@for state in .kanarya/demo .kanarya/local; do $(PY) -m kanarya_cli local down --state $$state; done

##@ Check
.PHONY: test
test: setup ## Run every check that needs no cluster and no root: lint, unit, component, docs
	@$(MAKE) --no-print-directory lint
	HYPOTHESIS_PROFILE=thorough $(PY) -m pytest -q -n 2 --dist loadfile

.PHONY: unit
unit: setup ## Run the unit tests alone: no network, no sleep, under ten seconds
	$(PY) -m pytest -q -n 2 tests/unit

.PHONY: lint
lint: setup ## Check style, types and the layers between packages
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache

.PHONY: verify
verify: setup ## Fail if a generated file (JSON Schema, CRD, chart README, reference page, rendered manifest) is out of date
	$(PY) scripts/generate --verify
	PYTHON=$(CURDIR)/$(PY) tests/charts/run verify

.PHONY: conformance
conformance: setup .venv-clients/.ready .venv-mlserver/.ready ## Hold the model server to its protocols: official clients, its OpenAPI document, fuzzing (SECONDS=60)
	$(PY) -m pytest -q tests/conformance
	for one in kserve tritonclient frameworks; do \
	  .venv-clients/bin/python -m pytest -q -c tests/clients/pytest.ini tests/clients/test_$$one.py || exit 1; done
	KANARYA_PYTHON=.venv-clients/bin/python .venv-mlserver/bin/python -m pytest -q -c tests/clients/pytest.ini tests/clients/test_mlserver.py
	$(PY) tests/fuzz --seconds $(or $(SECONDS),60)

.PHONY: soak
soak: setup ## Send a million good and bad requests to a server whose memory must stay flat (REQUESTS=1000000 SECONDS=3600)
	$(PY) -m bench.soak --requests $(or $(REQUESTS),1000000) --seconds $(or $(SECONDS),3600)

.PHONY: charts
charts: setup ## Check charts, CRD, rules, dashboards and rendered manifests (needs Go; builds its tools once)
	PYTHON=$(CURDIR)/$(PY) tests/charts/run

.PHONY: apiserver
apiserver: setup ## Run the controller against a real API server, without nodes (needs Go; builds it once)
	@tests/cluster/programs etcd kube-apiserver
	@tests/cluster/sources
	$(PY) -m pytest -q tests/cluster

.PHONY: gateway
gateway: setup ## Split gRPC and tell users apart in a real Envoy Gateway, without a cluster (needs Go; builds it once)
	@tests/cluster/programs envoy-gateway
	$(PY) -m pytest -q --timeout 600 tests/gateway

.PHONY: e2e
e2e: setup ## Run everything on a real cluster, from nothing (KEEP=1 stays on what is up; needs root)
	PYTHON=$(CURDIR)/$(PY) tests/e2e/run

.PHONY: e2e-able
e2e-able: ## Say whether this machine can carry that cluster, and what it lacks
	@tests/cluster/able

##@ Kubernetes
.PHONY: kind-up
kind-up: ## Start kind with Gateway API, Envoy Gateway, cert-manager and KServe, each waited for
	scripts/kind-up

.PHONY: images
images: ## Build the images with docker, podman or buildah, whichever is there
	scripts/images

##@ Measure
.PHONY: bench-serving
bench-serving: setup .venv-bench/.ready .venv-mlserver/.ready .tools/bin/ghz .tools/bin/vegeta ## Speed beside KServe, MLServer, FastAPI and bare ASGI, one core, one run (WORK="row grpc": these alone)
	$(PY) -m bench.serving $(WORK)

.PHONY: bench-pieces
bench-pieces: setup ## Where a request's time goes in the model server, piece by piece
	$(PY) -m bench.serving.pieces

.PHONY: bench-records
bench-records: setup ## What access log, request log and traces cost a request, beside a server that writes nothing down
	$(PY) -m bench.serving.records

.PHONY: bench-decisions
bench-decisions: setup ## How often gates are wrong, beside other tools' rules, on simulated rollouts (FULL=1: five times as many)
	$(PY) -m bench.decisions $(if $(FULL),--rollouts 10000)

.PHONY: bench-replay
bench-replay: setup ## How long 100,000 windows take in `kanarya replay`, on three streams
	$(PY) -m bench.replay

.PHONY: bench-controller
bench-controller: setup ## What 1,000 rollouts cost one controller, with a real API server, Prometheus and MLflow (needs Go)
	@tests/cluster/programs etcd kube-apiserver prometheus
	@tests/cluster/sources
	$(PY) bench/controller

##@ Work on Kanarya
.PHONY: setup
setup: .venv/.ready ## Make .venv from the lock (the other targets do this by themselves)

.venv/.ready: requirements/dev.txt requirements/uv.txt scripts/setup $(MEMBERS:%=%/pyproject.toml)
	@scripts/setup

.tools/bin/%: bench/tools/%/go.sum
	cd bench/tools/$* && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o $(CURDIR)/$@ $$(go list tool)

.venv-bench/.ready: requirements/bench.txt
	@.tools/bin/uv venv --quiet --clear --python $(PY) .venv-bench
	@VIRTUAL_ENV=$(CURDIR)/.venv-bench .tools/bin/uv pip sync --quiet --require-hashes requirements/bench.txt
	@touch $@

.venv-clients/.ready: requirements/clients.txt model/pyproject.toml
	@.tools/bin/uv venv --quiet --clear --python $(PY) .venv-clients
	@VIRTUAL_ENV=$(CURDIR)/.venv-clients .tools/bin/uv pip sync --quiet --require-hashes requirements/clients.txt
	@VIRTUAL_ENV=$(CURDIR)/.venv-clients .tools/bin/uv pip install --quiet --no-deps -e contracts -e model
	@touch $@

.venv-mlserver/.ready: requirements/mlserver.txt
	@.tools/bin/uv venv --quiet --clear --python $(PY) .venv-mlserver
	@VIRTUAL_ENV=$(CURDIR)/.venv-mlserver .tools/bin/uv pip sync --quiet --require-hashes requirements/mlserver.txt
	@touch $@

.PHONY: format
format: setup ## Format the code and apply the safe fixes
	ruff format .
	ruff check --fix .

.PHONY: generate
generate: setup ## Write the generated files again
	$(PY) scripts/generate
	PYTHON=$(CURDIR)/$(PY) tests/charts/run render

.PHONY: requirements
requirements: setup ## Compile requirements/*.txt (UPGRADE=1 moves to the newest versions that fit)
	scripts/requirements $(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove what the other targets made, environments included
	rm -rf .venv .venv-bench .venv-clients .venv-mlserver .tools .kanarya .mypy_cache .pytest_cache .ruff_cache .hypothesis
