# `make help` lists the targets. CI runs the same ones.
MACHINE := provisioning/machine
PYTHON := .venv/bin/python
SIZE ?= 60

.DEFAULT_GOAL := help
.PHONY: help up down status test lint bench demo install uninstall

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

up: ## as root: install what is missing, set up, start everything in the foreground (DETACH=1: in the background)
	@$(MACHINE)/up.sh $(if $(DETACH),--detach)

down: ## end the instance of QMAILUX_HOME (default ./var)
	@$(PYTHON) manage.py stack down

status: ## what runs
	@$(PYTHON) manage.py stack status

test: ## as root: install what tests need and run them all (ARGS="tests/db -k alias": only these)
	@$(MACHINE)/test.sh $(ARGS)

lint: ## ruff, mypy, missing migrations, shell scripts
	@$(MACHINE)/python.sh . requirements-dev.txt
	@$(MACHINE)/lint.sh

bench: ## measure, each figure beside the machine's own limit
	@$(MACHINE)/test.sh -s tests/bench

demo: ## fill a running instance with domains, accounts and mail (SIZE=100000: a big one)
	@$(PYTHON) manage.py demo --size $(SIZE)

install: ## as root, production: system users, systemd units, standard ports, PostgreSQL
	@$(MACHINE)/install.sh

uninstall: ## as root: remove the units and the configuration; mail and database stay
	@$(MACHINE)/uninstall.sh
