PYTHON ?= python3
BIN := .venv/bin
FIELDS := $(wildcard plugins/*)
PACKAGES := core/sandbox core/kit $(FIELDS) plugins/biomed/deid plugins/bangla/checker
DONE := .venv/installed
SMALL := .venv/small

.PHONY: docs docs-check docs-links install browser test test-slow test-zoo test-peft fuzz lint format demo bench figures wheels test-gpu bench-gpu gpu-kit

install: $(DONE)

# The core and the seismic plugin: all that the demo needs. Python compiles what it imports.
$(SMALL):
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --no-compile -e . $(addprefix -e ./,core/sandbox plugins/batch plugins/seismic)
	touch $@

# Plain pip: the core and every plugin, editable, in one command so that they satisfy each other.
$(DONE): pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES))
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -e '.[dev]' $(addprefix -e ./,$(PACKAGES))
	$(MAKE) browser || echo "Without npm and node, the tests in a browser are skipped."
	touch $(SMALL) $@

# A headless Chromium without root, for the tests of pages: 74 MB from npm.
BROWSER := .venv/browser
browser: $(BROWSER)/chromium
$(BROWSER)/chromium:
	npm install --prefix $(BROWSER) --no-save --ignore-scripts --silent @sparticuz/chromium@147.0.0
	cd $(BROWSER) && TMPDIR=$$PWD node --input-type=module --eval 'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath())'
	rm -rf $(BROWSER)/node_modules

test: $(DONE)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal -m 'not slow'

test-slow: $(DONE)
	$(BIN)/python -m pip install -q -e '.[tracking,peers]'
	$(BIN)/python -m pytest -q -m slow

# Thirty-one models of other people beside plain peft, and peft's own tests of adapters (an hour).
test-zoo: $(DONE)
	$(BIN)/python -m pip install -q -e '.[zoo]'
	OMP_NUM_THREADS=1 $(BIN)/python tests/zoo --check

test-peft: $(DONE)
	$(BIN)/python -m pip install -q -e '.[zoo]'
	$(BIN)/python tests/peft_suite

# Attempts to get out of the child that decodes; 5,000 random networks beside plain peft; and every
# format that is read, damaged 2,000 times: the table of docs/safety.md.
fuzz: $(DONE)
	$(BIN)/python -m pytest -q tests/core/decoding/test_escapes.py tests/core/decoding/test_messages.py -m "slow or not slow"
	$(BIN)/python tests/core/differential/campaign.py --n 5000
	$(BIN)/python benchmarks/fuzz.py; code=$$?; $(BIN)/python benchmarks/tables; exit $$code

# On a CUDA card, with torch, triton, peft and pytest only: nothing is installed. Results go to $OUT.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
test-gpu bench-gpu:
	@$(GPU_PYTHON) benchmarks/lora/device.py $(subst -gpu,,$@)

# The wheels to carry to such a machine.
gpu-kit:
	@$(GPU_PYTHON) benchmarks/lora/device.py kit

lint: $(DONE)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict core/scionwood core/sandbox core/kit
	$(BIN)/mypy --strict --ignore-missing-imports $(FIELDS)

format: $(DONE)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The site, without network and with every warning as an error. The pages of the gallery run.
docs: $(DONE)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@grep time docs/gallery/*.cost.json  # the seconds that each page of the gallery took

# The examples of every public name, and the site in a browser at three widths: its links, its
# inventory, its notebooks, its tutorial and its switcher of versions. LINKS=all: external links too.
docs-check: $(DONE)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m 'slow or not slow' tests/core/test_examples.py tests/core/test_tables.py tests/core/test_site.py tests/core/browser/test_site_in_browser.py
	$(if $(filter all,$(LINKS)),$(MAKE) docs-links)

# Every external address of the site, asked once.
docs-links: $(DONE)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -b linkcheck docs docs/_build/links

wheels: $(DONE)
	rm -rf dist
	for folder in . $(PACKAGES); do $(BIN)/python -m build --wheel --no-isolation --outdir dist $$folder; done

# The bill of materials of a release: every installed package with its version and licence.
sbom: $(DONE)
	mkdir -p dist
	$(BIN)/uvx --from 'cyclonedx-bom>=7' cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml -o dist/sbom.json

# The packages of continuous integration, pinned with their hashes for every system and Python.
lock: $(DONE)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header -q --extra dev --no-emit-package scionwood \
		$(addprefix --no-emit-package scionwood-,$(notdir $(filter-out plugins/bangla/checker,$(PACKAGES))) bangla-checker) \
		pyproject.toml $(addsuffix /pyproject.toml,$(PACKAGES)) -o .ci/requirements.txt

# Every table of results anew: more than a day on two cores. Each script also runs alone.
bench: $(DONE)
	$(BIN)/python benchmarks/seismic_accuracy.py
	$(BIN)/python benchmarks/seismic_tta.py
	$(BIN)/python benchmarks/seismic_io.py --denoise
	$(BIN)/python benchmarks/seismic_kurtosis.py
	$(BIN)/python benchmarks/lora_kernels.py
	$(BIN)/python benchmarks/prefix_cache.py
	$(BIN)/python benchmarks/continual.py
	$(BIN)/python benchmarks/crash_suite.py
	$(BIN)/python benchmarks/crash_predict.py
	$(BIN)/python benchmarks/unir.py
	$(BIN)/python benchmarks/bangla.py
	$(BIN)/python benchmarks/methods
	$(BIN)/python benchmarks/pde_data.py
	$(BIN)/python benchmarks/pde_memory.py
	$(BIN)/python benchmarks/pde_online.py
	$(BIN)/python benchmarks/pde_transfer.py
	$(BIN)/python benchmarks/pde_transfer.py --confirm
	$(BIN)/python benchmarks/export.py
	$(BIN)/python benchmarks/map_files.py
	$(BIN)/python benchmarks/biomed_volumes.py
	$(BIN)/python benchmarks/crash_size.py
	$(BIN)/python benchmarks/crash_assemblies.py
	$(BIN)/python benchmarks/pde_dynamics.py
	$(BIN)/python benchmarks/pde_spectral.py  # needs exponax
	$(BIN)/python benchmarks/pde_corrector.py
	$(BIN)/python benchmarks/pde_pretraining.py
	$(BIN)/python benchmarks/pde_tiny.py
	$(BIN)/python benchmarks/federated.py
	$(BIN)/python benchmarks/federated_privacy.py --seeds 3
	$(BIN)/python benchmarks/federated_checks.py --size short
	$(BIN)/python benchmarks/federated_figure.py
	$(BIN)/python benchmarks/serve.py
	$(BIN)/python benchmarks/audit.py
	$(BIN)/python benchmarks/language.py
	for part in planning review multitask; do $(BIN)/python benchmarks/language_recipes.py $$part; done
	$(BIN)/python benchmarks/language_queries.py
	$(BIN)/python benchmarks/language_trl.py
	$(BIN)/python benchmarks/language_diffusion.py
	$(BIN)/python benchmarks/language_experts.py --work runs/experts
	$(BIN)/python benchmarks/language_attributes.py --work runs/attributes
	$(BIN)/python benchmarks/study
	$(BIN)/python benchmarks/study/cost.py
	$(BIN)/python benchmarks/tables

# The figures of the plugins' cards.
figures: $(DONE)
	for field in bangla biomed crash methods pde; do $(BIN)/python benchmarks/$${field}_figure.py; done
	$(BIN)/python benchmarks/seismic_figure.py --run demo/run  # the run of make demo
	$(BIN)/python benchmarks/landing_figure.py

# From a noisy SEG-Y file to a denoised one with the run that the plugin ships. Then the same with a
# run of your own: train, denoise, compare; then foreign noise, with the adapter fitted to each gather.
# The gate only reports on that run: trained for minutes, it loses steep events, and would be blended.
demo: export PYTHONDONTWRITEBYTECODE =  # the first command compiles what all of them import
demo: $(SMALL)
	rm -rf demo && mkdir demo
	$(BIN)/scionwood seismic simulate demo/noisy.sgy demo/reference.sgy
	$(BIN)/scionwood seismic denoise demo/noisy.sgy demo/first.sgy
	$(BIN)/scionwood fit seismic/denoise --run demo/run
	$(BIN)/scionwood seismic denoise demo/noisy.sgy demo/clean.sgy --run demo/run --gate report --qc demo/qc.png
	$(BIN)/scionwood seismic compare demo/reference.sgy demo/noisy.sgy demo/clean.sgy --figures demo
	$(BIN)/scionwood seismic simulate demo/foreign.sgy demo/foreign_reference.sgy --noise ambient,scattered --n 4 --quiet 0.1
	$(BIN)/scionwood seismic denoise demo/foreign.sgy demo/foreign_clean.sgy --run demo/run --gate report --tta matched --noise-window 0:0.1
	$(BIN)/scionwood seismic compare demo/foreign_reference.sgy demo/foreign.sgy demo/foreign_clean.sgy --noise ambient,scattered
