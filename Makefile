# Every command of this project. `make help` lists them; each makes what it needs:
# a virtual environment in .venv, the tools it uses, the compiled codec.

PYTHON ?= python3
ARGS   ?=

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(CURDIR)/$(VENV)/Scripts
else
BIN := $(CURDIR)/$(VENV)/bin
endif
PY  := $(BIN)/python
LOG := $(CURDIR)/$(VENV)/log

BUILD   := $(or $(KTORWS_BUILD),release)
BUILT   := $(VENV)/built-$(BUILD)
SOURCES := setup.py $(wildcard ktorws/*.pyx ktorws/*.pxd ktorws/*.h)
COPIED  := ktorws pytest_ktorws.py tests docs examples tools pyproject.toml setup.py README.md CONTRIBUTING.md LICENSE
CODEC_TESTS := $(foreach part,frame decoder encoder mask properties receive_c sending \
               reader_within socket_transport tls_transport tls_new_keys,$(wildcard tests/test_$(part)*.py))
OWN_TARGET  := $(foreach part,stress leaks hostile faults browser,--ignore=tests/$(part))

PURE    := micropip multidict "yarl >= 1.18" propcache idna

# Debian's: proxies to go through, and what servers of other languages are made of.
FRONTS  := haproxy nginx-light
SERVERS := default-jdk-headless g++ golang-go golang-github-gorilla-websocket-dev \
           libboost-dev libssl-dev libtomcat10-java chromium

# The tests fail, rather than run on the plain codec alone, when the compiled one
# was asked for and is not there.
ifneq ($(BUILD),pure)
export KTORWS_REQUIRE_CYTHON := 1
endif
export NODE_PATH := $(CURDIR)/build/node/node_modules
export PIP_DISABLE_PIP_VERSION_CHECK := 1

MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help install build demo test interop interop-all stress leaks hostile proxies faults soak check lint types stubs \
        test-browser browser \
        bench bench-micro instructions format sanitize fuzz valgrind compliance cover wheel clean

say     = @echo '==> $(1)'
# Runs a talkative command: one line of it when it succeeds, all when it fails.
quietly = @$(1) >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
pip     = $(call quietly,$(PY) -m pip install --progress-bar off $(1)); \
          sed -n 's/^Successfully installed/    installed/p' $(LOG)
# $(call copy,FOLDER) makes a copy of the tree, to compile it in another way there.
copy    = @rm -rf $(1) && mkdir -p $(1) && cp -R $(COPIED) $(1)/ && \
          rm -f $(1)/ktorws/*.so $(1)/ktorws/*.pyd

help: ## list the commands
	@echo 'usage: make COMMAND [PYTHON=python3.13] [ARGS="-k ping"]'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(BUILT) $(VENV)/group-dev ## make .venv with ktorws (editable) and every tool

build: $(BUILT) ## compile the codec, in place

demo: $(BUILT) $(VENV)/group-fast ## watch a conversation, then traffic at full speed
	$(call say,Running the demo)
	@$(PY) examples/demo.py $(ARGS)

test: $(BUILT) $(VENV)/group-test build/node/installed ## run the tests
	$(call say,Running the tests)
	@$(PY) -m pytest tests $(OWN_TARGET) -m "not heavy" $(ARGS)

interop: $(BUILT) $(VENV)/group-interop build/node/installed ## with those that install quickly, by name
	@sh tools/debian.sh $(FRONTS)
	$(call say,Running the tests with other implementations)
	@$(PY) -m pytest tests/interop -m "not heavy" $(ARGS)

interop-all: $(BUILT) $(VENV)/group-interop build/node/installed ## with all of them; installs them by name
	@sh tools/debian.sh $(FRONTS) $(SERVERS)
	$(call say,Running the tests with all other implementations)
	@$(PY) -m pytest tests/interop $(ARGS)

stress: $(BUILT) $(VENV)/group-test ## tests under load; KTORWS_STRESS=short for fewer rounds
	$(call say,Running the tests under load)
	@$(PY) -m pytest tests/stress $(ARGS)

leaks: $(BUILT) $(VENV)/group-test ## tests that count what is left behind
	$(call say,Running the leak tests)
	@$(PY) -m pytest tests/leaks $(ARGS)

hostile: $(BUILT) $(VENV)/group-test ## peers and callers that mean harm
	$(call say,Running the tests with hostile peers)
	@$(PY) -m pytest tests/hostile $(ARGS)

proxies: $(BUILT) $(VENV)/group-test ## tests with proxies; as root installs those of Debian
	@sh tools/debian.sh tinyproxy-bin microsocks
	$(call say,Running the tests with proxies)
	@$(PY) -m pytest tests/test_proxy.py tests/test_proxy_config.py tests/test_proxy_hostile.py $(ARGS)

faults: $(BUILT) $(VENV)/group-test ## real network faults; needs root and network namespaces
	@sh tools/debian.sh iproute2 iptables
	$(call say,Running the tests with network faults)
	@$(PY) -m pytest tests/faults $(ARGS)

soak: $(BUILT) $(VENV)/group-test ## two minutes of mixed traffic with faults; ARGS="--minutes 60"
	$(call say,Soaking)
	@$(PY) tests/faults/soak.py $(ARGS)
test-browser: $(BUILT) $(VENV)/group-test build/browser/installed build/browser/wheels/built ## the Js engine, in Node and in Chromium
	$(call say,Running the tests of the Js engine)
	@NODE_PATH=$(CURDIR)/build/browser/node_modules $(PY) -m pytest tests/browser $(ARGS)

browser: $(BUILT) build/browser/installed build/browser/wheels/built ## a page that talks by ktorws, to open yourself
	@$(PY) examples/browser/serve.py $(ARGS)

check: lint types stubs ## lint, types and stubs

lint: $(VENV)/group-lint ## style of Python and Cython
	$(call say,ruff check)
	@$(BIN)/ruff check .
	$(call say,ruff format --check)
	@$(BIN)/ruff format --check .
	$(call say,cython-lint)
	@PATH="$(BIN):$$PATH" cython-lint ktorws

types: $(BUILT) $(VENV)/group-types ## mypy --strict
	$(call say,mypy --strict)
	@$(BIN)/mypy --strict ktorws pytest_ktorws.py $(wildcard tests/typing)

stubs: $(BUILT) $(VENV)/group-types ## does the codec's stub tell the truth?
	$(call say,stubtest)
	@$(PY) -m mypy.stubtest ktorws._frame ktorws._queue ktorws._sending ktorws._tls ktorws._transport

format: $(VENV)/group-lint ## rewrite the code in the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

sanitize: $(BUILT) $(VENV)/group-test ## what tests compiled code, under ASan and UBSan
	$(call say,Compiling a copy of the tree in build/sanitize with ASan and UBSan)
	$(call copy,build/sanitize)
	$(call quietly,cd build/sanitize && KTORWS_BUILD=sanitize $(PY) setup.py build_ext --inplace)
	$(call say,Running the tests of the codec)
	@cd build/sanitize && \
	  LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
	  $(PY) -m pytest --timeout=300 $(CODEC_TESTS) $(ARGS)

fuzz: $(BUILT) $(VENV)/group-fuzz ## fuzz, repeatably; ARGS="--seconds 600 decode" to go on
	$(call say,Fuzzing)
	@$(PY) tests/fuzz/run.py $(ARGS)
	@tests/fuzz/c/run.sh $(or $(FUZZ_SECONDS),5)

valgrind: $(BUILT) $(VENV)/group-fuzz ## the codec and deflate under valgrind
	@sh tools/debian.sh valgrind
	$(call say,Running under valgrind)
	@tests/fuzz/valgrind.sh $(PY)

bench: $(BUILT) $(VENV)/group-bench ## against other clients; ARGS="--quick", or none for all
	$(call say,Running the benchmarks)
	@$(PY) -m bench.run $(ARGS)

bench-micro: $(BUILT) $(VENV)/group-bench ## the codec and the data path by themselves
	$(call say,Running the micro-benchmarks)
	@$(PY) -m pytest bench/micro $(ARGS)

instructions: $(BUILT) ## count instructions per message with valgrind; ARGS="--check"
	@sh tools/debian.sh valgrind
	$(call say,Counting instructions)
	@$(PY) bench/instructions.py $(ARGS)

compliance: $(BUILT) $(VENV)/group-test ## Autobahn; ARGS="--role server --tls" and others
	$(call say,Running the Autobahn|Testsuite)
	@$(PY) tests/compliance/run.py $(ARGS)

cover: $(BUILT) $(VENV)/group-cover build/node/installed ## which lines the tests run, Cython included
	$(call say,Compiling a copy of the tree in build/cover with line events)
	$(call copy,build/cover)
	$(call quietly,cd build/cover && KTORWS_BUILD=trace $(PY) setup.py build_ext --inplace)
	$(call say,Running the tests)
	@cd build/cover && $(PY) -m coverage run -m pytest --timeout=300 tests $(OWN_TARGET) $(ARGS)
	@cd build/cover && $(PY) -m coverage report

wheel: $(VENV)/group-wheel ## build sdist and wheels into dist, install and try each
	@PATH="$(BIN):$$PATH" $(PY) tools/wheels.py

clean: ## remove all that was made here
	rm -rf $(VENV) build dist *.egg-info htmlcov .coverage .hypothesis .benchmarks
	rm -rf .mypy_cache .pytest_cache .ruff_cache
	rm -f ktorws/*.so ktorws/*.pyd ktorws/*.c ktorws/*.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the commands need. Each stamp file is older than what it was made from when
# the step has to be taken again.

$(VENV)/created:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) here. Name another: make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "ktorws needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version)." >&2; \
	  echo "Name another: make PYTHON=python3.13 ..." >&2; exit 1; }
	@echo "==> Making a virtual environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	$(call pip,--upgrade "pip >= 25.1")
	@touch $@

# The package without its codec, hence `pure`: the codec is compiled into it below.
$(VENV)/installed: $(VENV)/created pyproject.toml
	$(call say,Installing what ktorws needs to build and to run)
	$(call pip,--group build)
	$(call quietly,KTORWS_BUILD=pure $(PY) -m pip install --no-build-isolation --config-settings editable_mode=compat --editable .)
	@sed -n 's/^Successfully installed/    installed/p' $(LOG)
	@touch $@

$(BUILT): $(VENV)/installed $(SOURCES)
	$(call say,Compiling the codec ($(BUILD)))
	@rm -f $(VENV)/built-* ktorws/*.so ktorws/*.pyd
	$(call quietly,$(PY) setup.py build_ext --inplace --force)
	@touch $@

$(VENV)/group-%: $(VENV)/created pyproject.toml
	$(call say,Installing the dependency group "$*")
	$(call pip,--group $*)
	@touch $@

# For the tests with Node's ws; they are skipped where it is not.
build/node/installed:
	@mkdir -p build/node
	@if command -v npm >/dev/null; then \
	  echo '==> Installing the npm package ws'; \
	  npm install --prefix build/node --no-save --no-audit --no-fund --loglevel=error ws && \
	  touch $@ || echo '    failed: the tests with Node are skipped'; \
	else \
	  echo '==> There is no npm: the tests with Node are skipped'; \
	fi

# Pyodide and what drives it; Chromium where Debian's packages can be installed.
build/browser/installed: tests/browser/install.sh
	@sh tests/browser/install.sh build/browser
	@touch $@

# The pure wheel, and beside it what micropip installs with it.
build/browser/wheels/built: $(VENV)/installed $(wildcard ktorws/*.py ktorws/*/*.py) pyproject.toml
	$(call say,Building the pure wheel for Pyodide)
	$(call copy,build/browser/tree)
	@rm -rf build/browser/wheels
	$(call quietly,cd build/browser/tree && KTORWS_BUILD=pure $(PY) -m pip wheel --no-build-isolation --no-deps --wheel-dir ../wheels .)
	$(call quietly,$(PY) -m pip download --no-deps --only-binary :all: --platform any --python-version 3.14 --dest build/browser/wheels $(PURE))
	@rm -rf build/browser/tree
	@touch $@
