# Every target does all of its own set-up, and nothing twice: a stamp in .make/ is newer than what it was made of.

PYTHON ?= python3
BIN := .venv/bin
# Node comes from the wheel in the virtual environment, so its folder goes first.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Node reads its own variable only; pass on the certificates that the machine was given.
ifneq ($(SSL_CERT_FILE),)
export NODE_EXTRA_CA_CERTS ?= $(SSL_CERT_FILE)
endif
FRONT := $(shell find frontend -type f 2>/dev/null)

.PHONY: bench-checks bench-durability bench-event bench-face-hints bench-first-photos bench-gallery bench-guests bench-index bench-long-gallery bench-pages bench-plots bench-selfie bench-zip help load soak setup demo run test test-all check format samples browser lock messages clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: .make/python .make/front ## Install everything the product needs, inside this folder

demo: setup ## Try it: a sample event with real photos, on this machine
	@$(BIN)/trouvaille demo

run: setup ## Run a real instance: database, web and workers
	@$(BIN)/trouvaille serve

# Three processes a two-core machine: a third of the time goes by waiting. A file's tests stay together, for many share a
# server or an event that takes seconds to make. What `check` has run is not run again.
PYTEST = $(BIN)/python -m pytest -n $(or $(TEST_PROCESSES),3) --dist loadfile --no-loadscope-reorder --ignore tests/checks

# What failed, alone: beside others on a busy machine a browser or a process can be late. What is wrong fails again.
ALONE = $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

test: setup samples browser check ## Run the checks and the tests, but for those that take minutes each
	@$(PYTEST) -m "not slow" || { [ $$? = 1 ] && $(ALONE) -m "not slow"; }

test-all: setup samples browser check ## Run the checks and all tests, also those that take minutes each
	@$(PYTEST) || { [ $$? = 1 ] && $(ALONE); }

check: setup ## Lint, types, import rules, migrations and translations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@npm run --silent check
	@$(BIN)/python -m pytest -q tests/checks

format: .make/python ## Put all Python into one shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

samples: .make/python ## Fetch the sample photos of the demo and the tests, and a second model for the tests
	@$(BIN)/python -m trouvaille.demo.samples
	@$(BIN)/python -m tests.models

browser: ## Make sure that there is a Chromium for the browser tests
	@sh tools/browser

bench-checks: setup ## How soon a form hears that a code is right or a name taken: [GUESTS=3000]
	@$(BIN)/python -m bench.checks --guests $(or $(GUESTS),3000)

bench-durability: setup ## Files sent while everything is killed with -9: [KILLS=100] [FILES=1000]
	@$(BIN)/python -m bench.durability --kills $(or $(KILLS),100) --files $(or $(FILES),1000)

bench-event: setup ## Accuracy on an event with known truth: EVENT=folder
	@$(BIN)/python -m bench.event "$(EVENT)"

bench-face-hints: setup ## How well the selfie page's face finder sees, and how long it takes: FACES=folder
	@$(BIN)/python -m bench.face_hints "$(FACES)"

bench-first-photos: setup browser ## How soon a phone on a slow connection shows the first photos: [PHOTOS=400] [VISITS=5]
	@$(BIN)/python -m bench.first_photos --photos $(or $(PHOTOS),400) --visits $(or $(VISITS),5)

bench-gallery: setup ## Accuracy on labelled portraits, against plain SFace: FACES=folder [GROUPS=csv]
	@$(BIN)/python -m bench.gallery "$(FACES)" $(if $(GROUPS),--groups "$(GROUPS)")

bench-guests: setup ## Cost of matching one new photo, by number of guests and of events
	@$(BIN)/python -m bench.guests

bench-index: setup .make/bench ## Photos a second, where the time goes, and dlib beside it: PHOTOS=folder [MEGAPIXELS=24]
	@$(BIN)/python -m bench.index "$(PHOTOS)" $(if $(MEGAPIXELS),--megapixels $(MEGAPIXELS))

bench-long-gallery: setup browser ## How smoothly thousands of photos of one's own scroll on a phone: [PHOTOS=5000]
	@$(BIN)/python -m bench.long_gallery --photos $(or $(PHOTOS),5000)

bench-pages: setup ## What each request of a guest's visit costs: [PHOTOS=1000] [TIMES=300] [FACES=folder]
	@$(BIN)/python -m bench.pages --photos $(or $(PHOTOS),1000) --times $(or $(TIMES),300) $(if $(FACES),--faces "$(FACES)")

bench-plots: setup .make/bench ## Draw the plots of docs/accuracy.md anew: FACES=folder
	@$(BIN)/python -m bench.plots "$(FACES)"

bench-receiver: setup ## Files coming in, beside a bare PUT, and pages meanwhile: [GB=10] [FILES=4000]
	@$(BIN)/python -m bench.receiver --gb $(or $(GB),10) --files $(or $(FILES),4000)

bench-selfie: setup ## Time from sending a selfie to its matches in a large event: [FACES=50000]
	@$(BIN)/python -m bench.selfie --faces $(or $(FACES),50000)

bench-zip: setup ## Memory while 5 GB go out as a ZIP, and the gallery beside four of them: [WEBS=2]
	@$(BIN)/python -m bench.zips --webs $(or $(WEBS),2)

load: setup .make/bench ## Visits of many guests, as users run it: [GUESTS=300] [MINUTES=2] [PHOTOS=1000] [INDEXING=1] [FACES=folder] [KILLS=1]
	@$(BIN)/python -m bench.load --guests $(or $(GUESTS),300) --minutes $(or $(MINUTES),2) --photos $(or $(PHOTOS),1000) --indexing $(or $(INDEXING),0) --kills $(or $(KILLS),0) $(if $(FACES),--faces "$(FACES)") $(if $(OUT),--out "$(OUT)")

soak: setup .make/bench ## Moderate load for long: whether memory, files and connections stay as they are: [MINUTES=30] [KILLS=1]
	@$(BIN)/python -m bench.load --soak --indexing 1 --minutes $(or $(MINUTES),30) --guests $$((30 * $(or $(MINUTES),30))) --photos-per-s 2 --kills $(or $(KILLS),0) $(if $(OUT),--out "$(OUT)")

messages: .make/python ## Bring the translation catalogues in step with the texts
	@sh tools/messages

lock: .make/python ## Resolve all dependencies anew
	@sh tools/lock

clean: ## Remove everything that was installed or built here
	rm -rf .venv node_modules .make src/trouvaille/web/static

.make/python: requirements-dev.lock pyproject.toml
	@sh tools/venv $(PYTHON)
	@mkdir -p .make && touch $@

.make/bench: requirements-bench.lock .make/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-bench.lock
	@touch $@

.make/front: .make/python package-lock.json $(FRONT) vite.config.ts tsconfig.json
	@npm ci --no-audit --no-fund --no-update-notifier --loglevel=error
	@npm run --silent build
	@mkdir -p .make && touch $@
