# Few verbs; each makes what it needs. VENV=... uses another virtual environment.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
export PREP_INDEX ?= $(CURDIR)/.prep

.PHONY: demo ui test check format corpus confidence encoder bench bench-quality bench-ingest bench-load screenshots clean
.PHONY: campaign-kill campaign-readers campaign-fuzz campaign-server campaign-stores campaign-properties

demo: $(VENV)/installed
	$(BIN)/prep ingest
	@echo '$$ prep ask "When do I prefer L1 over L2?"'
	@$(BIN)/prep ask "When do I prefer L1 over L2?"
	@echo 'Ask your own: $(BIN)/prep ask "..." (with PREP_INDEX=$(PREP_INDEX)), or open the app: make ui'

ui: $(VENV)/installed
	$(BIN)/prep ui

test: $(VENV)/installed-dev
	$(BIN)/python -m tests.browser
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

corpus: $(VENV)/installed-dev
	$(BIN)/python -m corpus.papers.src.build

confidence: $(VENV)/installed-dev
	$(BIN)/prep ingest --index .prep
	$(BIN)/python -m evals.fit_confidence .prep
	$(BIN)/python -m evals.fit_coverage .prep

encoder: $(VENV)/installed-dev
	$(BIN)/python -m evals.train.encoder $(if $(DATA),--data $(DATA))

bench-quality: $(VENV)/installed-dev
	$(BIN)/python -m evals.bench.quality $(DATA)

bench-ingest: $(VENV)/installed-dev
	$(BIN)/python -m evals.bench.ingest

bench-load: $(VENV)/installed-dev
	$(BIN)/python -m evals.bench.load $(ARGS)

# Peers live in an environment of their own, which sees ours: their dependencies are none of ours.
bench: $(VENV)/installed-dev
	$(PYTHON) -m venv $(VENV)/peers
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$(echo $(VENV)/peers/lib/python3*/site-packages)/prepdesk.pth"
	$(VENV)/peers/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	$(BIN)/python -m evals.bench.speed --peers $(VENV)/peers/bin/python

# Long runs of what the tests sample; tests/README.md has their figures. ARGS="2000 1 ../shared/data/library" adds files.
campaign-kill campaign-readers campaign-fuzz campaign-server campaign-stores: campaign-%: $(VENV)/installed-dev
	$(BIN)/python -m tests.campaigns.$* $(ARGS)

campaign-properties: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n auto -m hypothesis --hypothesis-profile=search $(ARGS)

screenshots: $(VENV)/installed-dev
	$(BIN)/python -m ui.screenshots $(PREP_INDEX) docs

clean:
	rm -rf $(VENV) .prep build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# torch goes first: its pin takes the CPU build where the package index offers one.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) -e '.[dev]'
	@touch $@
