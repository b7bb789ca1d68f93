# make run    start the app on http://localhost:8501
# make test   all tests
# make lint   the style check
# Each makes .venv first if need be. Needs Python 3.11 or 3.12; to choose one: make run PYTHON=python3.12

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin

.PHONY: run test lint clean

run: .venv/installed
	$(BIN)/streamlit run streamlit_app.py --server.port $(PORT)

test: .venv/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

clean:
	rm -rf .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v in ((3, 11), (3, 12)) else "Fashion Lab needs Python 3.11 or 3.12. Received: %d.%d. Try: make run PYTHON=python3.12" % v)'
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@
