# `make` alone lists what can be made. Paths are relative throughout, so the folder's own path may hold spaces.

SHELL := bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo demo-train test conformance torture bench reproductions lint style types contracts format clean distclean

# The interpreter that .venv is made with; the first on the path that is new enough, unless one is given.
PYTHON ?= $(shell for name in python3 python3.11 python3.12 python3.13; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && exit; done; \
	echo python3)

# Tests run in so many processes, file by file. More need 3 GB of memory each, most of it for Spark.
WORKERS ?= 2

# Further arguments for pytest: make test ARGS="-k minhash"; for winnow train: make demo-train ARGS="--set steps=100".
ARGS ?=

python := .venv/bin/python
# Stamps: pip is asked again only after pyproject.toml or constraints.txt have changed.
installed := .venv/.installed
installed_for_training := .venv/.installed-for-training
installed_for_tests := .venv/.installed-for-tests

# $(call install,WHAT): one line for each download of 10 MB or more and for each build; errors in full. Of 3 GB a download
# fails now and then: what pip has fetched it keeps, and it is asked once more.
define install
set -o pipefail; started=$$SECONDS; \
for attempt in first last; do \
	$(python) -m pip install --no-input --disable-pip-version-check --progress-bar off --retries 10 --timeout 60 \
		-c constraints.txt -e '$(1)' \
	| while IFS= read -r line; do case "$$line" in \
		*Downloading*[0-9][0-9].[0-9]" MB"*) \
			line=$${line#*Downloading }; file=$${line%% *}; echo "  fetching $${file%-*-*-*.whl} $${line#* }" ;; \
		*"Building wheel for "*": started") line=$${line#*Building wheel for }; echo "  building $${line%% (*}" ;; \
		"Installing collected packages"*) echo "  unpacking" ;; \
	esac; done && { echo "Installed in $$((SECONDS - started)) s."; exit 0; }; \
	[ "$$attempt" = last ] || { echo "pip failed (see above); once more in 10 s ..." >&2; sleep 10; }; \
done; exit 1
endef

help:
	@echo "make demo    install Winnow into .venv and curate the sample corpus into demo-lake/"
	@echo "make demo-train  install what training needs and train a small model on the demo's corpus into demo-train/"
	@echo "make test    install what the tests need and run them all, after make lint"
	@echo "make conformance    every decision and value beside datatrove, Dolma and NeMo Curator themselves (a quarter of an hour)"
	@echo "make torture kill a hundred runs at any moment, on both engines, and compare the tables (an hour)"
	@echo "make bench   speed beside datatrove, fastText, streaming and others, into bench.jsonl"
	@echo "make reproductions    claims of papers on small models, into tests/reproductions/results.json (half an hour)"
	@echo "make winnow.zip environment.tar.gz    what a cluster's machines are sent: the code; Python and packages"
	@echo "make lint    style, types and import contracts"
	@echo "make format  put the sources into the house style"
	@echo "make clean   remove caches (compiled kernels too), builds, demo-lake/ and demo-train/; distclean also removes .venv"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter (3.11 or newer); ARGS='-k minhash' goes to pytest."

demo: $(installed)
	@.venv/bin/winnow run --input 'jobs/sample_corpus/*.jsonl.gz' --recipe demo --out demo-lake/

# Each part is a file that is there when the part is done, and what is done is not done again.
demo-train: demo-train/text.txt
	@cat demo-train/text.txt
	@echo "Written by demo-train/dynamic/model, which transformers opens. Reports: demo-train/dynamic/report.html and" \
		"demo-train/static/report.html. make clean makes way for another."

demo-lake/decisions: | $(installed_for_training)
	@$(MAKE) -o $(installed) demo

demo-train/tokenizer.json: | demo-lake/decisions
	@mkdir -p $(@D)
	@.venv/bin/winnow train-tokenizer -o demo-lake/ --to $@ --vocab-size 2048

demo-train/shards/manifest.json: | demo-train/tokenizer.json
	@.venv/bin/winnow export -o demo-lake/ --tokenizer demo-train/tokenizer.json --to demo-train/shards/ \
		--row-length 128 --eval-share 0.15

# A shorter run whose weights stay: its losses are what the second one's are compared with.
demo-train/static/model: | demo-train/shards/manifest.json
	@.venv/bin/winnow train demo demo-train/shards/ -o demo-train/static/ --set steps=300 $(ARGS) \
		--set mixing=null

demo-train/reference.json: | demo-train/static/model
	@.venv/bin/winnow evaluate demo-train/static/model demo-train/shards/ --to $@ --precision fp32 \
		--max-tokens-per-domain 20000

demo-train/dynamic/model: | demo-train/reference.json
	@.venv/bin/winnow train demo demo-train/shards/ -o demo-train/dynamic/ \
		--set reference=demo-train/reference.json $(ARGS)

demo-train/text.txt: | demo-train/dynamic/model
	@.venv/bin/winnow generate demo-train/dynamic/model -p "The first" -p "We show that" -p "def" \
		--temperature 0.7 --top-k 50 --min-new-tokens 40 > $@

test: $(installed_for_tests)
	@status=0; $(MAKE) lint || status=1; $(python) -m pytest -n $(WORKERS) --dist loadfile $(ARGS) || status=1; \
	if [ "$$status" = 0 ]; then echo "make test: passed"; else echo "make test: FAILED (see above)" >&2; fi; exit $$status

conformance: $(installed_for_tests)
	@$(python) -m pytest -s -o faulthandler_timeout=3600 tests/conformance/check_peers.py $(ARGS)

torture: $(installed_for_tests)
	@cd tests && ../$(python) -m end_to_end.torture $(ARGS)

bench: $(installed_for_tests)
	@$(python) tests/benchmarks/run.py $(ARGS)

# From the root, so that `training` is the package and not the folder of its tests. One thread: the same figures again.
reproductions: export PYTHONPATH := .:tests
reproductions: export OMP_NUM_THREADS := 1
reproductions: $(installed_for_tests)
	@$(python) -m reproductions.equalisation $(ARGS)
	@$(python) -m reproductions.schedules $(ARGS)

# The jobs pack in a second and ten; what they pack may have changed in any file.
winnow.zip: $(installed) FORCE
	@$(python) -m jobs.pack_code $@

environment.tar.gz: $(installed) constraints.txt
	@$(python) -m jobs.pack_environment $@

FORCE:

lint: $(installed_for_tests)
	@$(MAKE) -k style types contracts

style: $(installed_for_tests)
	$(python) -m ruff check .
	$(python) -m ruff format --check .

types: $(installed_for_tests)
	$(python) -m mypy

contracts: $(installed_for_tests)
	.venv/bin/lint-imports --no-logo

format: $(installed_for_tests)
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

$(installed): pyproject.toml constraints.txt | $(python)
	@echo "Installing Winnow and what it needs into .venv (once; about 720 MB to fetch, most of it Spark) ..."
	@$(call install,.)
	@touch $@

$(installed_for_training): pyproject.toml constraints.txt | $(python)
	@echo "Installing Winnow and what training needs into .venv (once; about 3 GB to fetch, most of it torch, which" \
		"takes minutes) ..."
	@$(call install,.[train])
	@touch $(installed) $@

$(installed_for_tests): pyproject.toml constraints.txt | $(python)
	@echo "Installing Winnow and what its tests need into .venv (once; about 3 GB to fetch, most of it torch) ..."
	@$(call install,.[test])
	@touch $(installed) $(installed_for_training) $@

$(python):
	@version=$$("$(PYTHON)" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || \
		{ echo "PYTHON=$(PYTHON) does not run. Winnow needs Python 3.11 or newer: install it, or name it, for" \
		"instance make demo PYTHON=python3.11" >&2; exit 1; }; \
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "PYTHON=$(PYTHON) is Python $$version, and Winnow needs 3.11 or newer: install one, or name it, for" \
		"instance make demo PYTHON=python3.11" >&2; exit 1; }; \
	echo "Making .venv with Python $$version ..."; \
	"$(PYTHON)" -m venv --clear .venv || \
		{ rm -rf .venv; echo "Python's venv module failed (see above). On Debian and Ubuntu it is a package of its" \
		"own: apt install python3-venv" >&2; exit 1; }

clean:
	rm -rf build dist *.egg-info demo-lake demo-train bench.jsonl winnow.zip environment.tar.gz
	rm -rf spark-warehouse metastore_db derby.log
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . \( -path ./.venv -o -path ./.git \) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .venv-peers*
