# make demo, make test: each sets up what it needs, in .venv, and leaves the system's Python alone.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES = pyproject.toml constraints.txt $(shell find src -type f -not -path '*/__pycache__/*')

.PHONY: demo test coverage picture clean

demo: $(VENV)/installed
	$(BIN)/segcritic demo --out demo

test: $(VENV)/installed
	$(BIN)/python -m pytest

# Slower: which lines the tests reach.
coverage: $(VENV)/installed
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

# The picture at the top of README.md.
picture: demo
	mkdir -p docs/images
	cp demo/figure.png docs/images/coins.png

clean:
	rm -rf $(VENV) demo

$(VENV)/installed: $(SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "segcritic needs Python 3.11 or newer; name one, for instance: make test PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet '.[test]' -c constraints.txt
	touch $@
