# The front door. `make demo` and `make test` need Python and a C++ compiler, and fetch the rest into
# .venv; `make lint docs native asan ubsan tsan` is what CI runs besides.
# Another interpreter: make test PYTHON=python3.13t VENV=.venv-3.13t

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --prefer-binary
JOBS ?= 2
# Processes that test, on two cores: many of the tests wait rather than compute.
TESTERS ?= 4
SOURCES := pyproject.toml setup.py hwsim/flags.txt $(shell find hwsim/src hwsim/include interface \
  python/hwsim -type f -not -name '*.pyc')

.PHONY: demo test proof frameworks scoreboard picture thermostat bench docs lint format generated check-generated native asan ubsan tsan clean

demo: $(VENV)/installed
	@$(BIN)/hwsim demo

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n $(TESTERS) --dist worksteal

# What takes long: that the oracles of hwsim.proof are right every time, quiet and beside a busy
# program, that each kind of exit is clean fifty times. Takes more than an hour.
proof: $(VENV)/installed-test
	$(BIN)/python -m pytest -m long

# The examples for other people's frameworks, and fleets on a Dask cluster: too much to install for
# every day.
frameworks: $(VENV)/installed-frameworks
	$(BIN)/python -m pytest -m '' tests/test_frameworks.py tests/test_fleet.py

# What released packages do, for docs/scoreboard.md: fetches them into an environment of their own.
scoreboard:
	$(PYTHON) -m tools.scoreboard

# The picture in the README, recorded anew. Wants a quiet machine.
picture: $(VENV)/installed
	$(BIN)/python -m tools.picture

# The picture of the example, in docs/: its time is virtual, so it is the same every time.
thermostat: $(VENV)/installed
	$(BIN)/python examples/thermostat.py docs/thermostat.svg

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks

# All of it afresh: what has not changed would not warn again.
docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build -q -E -W --keep-going -d build/doctrees docs build/docs

lint: check-generated $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/stubtest hwsim._native --allowlist python/stubtest-allowlist.txt
	$(BIN)/clang-format --dry-run --Werror $(C_FILES)

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(C_FILES)

C_FILES = $(shell find hwsim interface python tests/native tests/controls tests/slots -name '*.[ch]' -o -name '*.[ch]pp')

# What follows from the C headers and the interface: type stubs, literals, tables in the pages.
generated: $(VENV)/installed-dev
	$(BIN)/python -m tools.generate

check-generated: $(VENV)/installed-dev
	$(BIN)/python -m tools.generate --check

# The C library alone, its tests, and the same under each sanitizer.
native: ; $(call native_run,)
asan: ; $(call native_run,address)
ubsan: ; $(call native_run,undefined)
tsan: ; $(call native_run,thread)
native asan ubsan tsan: $(VENV)/installed-dev

define native_run
$(BIN)/cmake -S hwsim -B build/native$(if $(1),-$(1)) -DHWSIM_SANITIZE=$(1) -DHWSIM_WERROR=ON
$(BIN)/cmake --build build/native$(if $(1),-$(1)) --parallel $(JOBS)
$(BIN)/ctest --test-dir build/native$(if $(1),-$(1)) --output-on-failure
endef

# What pip was asked for last; a change of the sources asks again.
$(VENV)/installed: EXTRAS =
# Not everything is there for every Python (readers of models and sound without a GIL, a peer's
# tool): then without.
$(VENV)/installed-test: EXTRAS = [test,test-more]
$(VENV)/installed-test: OTHERWISE = || $(PIP_INSTALL) '.[test]'
$(VENV)/installed-dev: EXTRAS = [test,test-more,dev]
$(VENV)/installed-frameworks: EXTRAS = [test,test-more,fleet,frameworks]
$(VENV)/installed-docs: EXTRAS = [docs]
$(VENV)/installed-bench: EXTRAS = [bench]
$(VENV)/installed-bench: OTHERWISE = || $(PIP_INSTALL) .
$(VENV)/installed $(VENV)/installed-test $(VENV)/installed-dev $(VENV)/installed-docs \
$(VENV)/installed-bench $(VENV)/installed-frameworks: $(SOURCES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) '.$(EXTRAS)' $(OTHERWISE)
	@touch $@

clean:
	rm -rf build *.egg-info python/*.egg-info .venv*
