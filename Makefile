# The habits of the project; `make` lists them.

QUICK = tests/test_*.py tests/contracts/test_choices.py tests/contracts/test_habits.py tests/contracts/test_imports.py \
	tests/system tests/images tests/latents tests/generation tests/bundle tests/cli/test_settings.py tests/cli/test_scoring.py

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile

check:  ## linters, types and the quick tests, in under a minute
	ruff check . && ruff format --check . && mypy
	pytest -q $(QUICK)

test:  ## all tests but the slow ones, on all cores
	pytest -n auto

slow:  ## the slow tests alone
	pytest -m slow

faults:  ## all injected faults (20 minutes), and their counts for RELIABILITY.md
	python -m tests.faults --results tests/faults/results.json

tables:  ## the tables of documents, from results, manifests and choices
	python benchmarks/tables.py
	python benchmarks/documents.py
	python models/table.py

engines:  ## the engines of other makers: installed, tested (slow ones too), and their tables
	bash .ci/engines engines compilers
	pytest -m '' tests/engines
	python benchmarks/engines.py

pictures:  ## the pictures of documents, and the pages of the shipped models in pages/
	python benchmarks/pictures.py
	python benchmarks/explorer.py

.PHONY: help check test slow faults tables engines pictures
