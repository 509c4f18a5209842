# `make` alone prints the targets. Everything builds with cargo; this file names the steps and installs what they need.

CARGO      ?= cargo
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
SYSCONFDIR ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR    ?= $(if $(filter /usr /usr/local,$(PREFIX)),/etc/systemd/system,$(PREFIX)/lib/systemd/system)
STATEDIR   ?= $(if $(filter /usr /usr/local,$(PREFIX)),/var/lib/forgekv,$(PREFIX)/var/lib/forgekv)
DESTDIR    ?=

TARGET     := $(abspath $(or $(CARGO_TARGET_DIR),target))
RELEASE    := $(TARGET)/release/forgekv
STATIC     := $(TARGET)/static/forgekv
STATIC_MAX := 5242880
HOST       := $(shell uname -m)-unknown-linux-gnu

.DEFAULT_GOAL := help
.PHONY: help build run check test stress crash compat bench static install linker redis

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: linker ## build the release binary, target/release/forgekv
	$(CARGO) build --release --locked --bin forgekv

run: build ## start the server on 127.0.0.1:6379 with forgekv.conf, data in target/data
	@mkdir -p $(TARGET)/data
	exec $(RELEASE) forgekv.conf --dir $(TARGET)/data

check: linker ## formatting, clippy, documentation and the source rules, all without a warning
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked
	$(CARGO) test --test suite --locked -- tidy::

test: linker ## every test of the workspace, then the commands' tests with the keys on disk
	$(CARGO) test --workspace --locked
	FORGEKV_TEST_COLD=1 $(CARGO) test --test suite --locked

stress: linker ## the tests of many threads and of random input, long: 1,200 histories each in RAM and on disk, 100,000 queued jobs
	FORGEKV_STRESS=20 $(CARGO) test --workspace --release --locked -- contended mutated random linearizable

crash: linker ## kill -9 loops (70 rounds in each sync mode) and simulated power loss
	FORGEKV_CRASH_ROUNDS=70 $(CARGO) test --workspace --release --locked -- crash fault

compat: linker redis ## random command sequences compared with redis-server reply by reply
	FORGEKV_COMPAT=1 $(CARGO) test --test suite --locked -- --nocapture compat::

bench: linker redis ## throughput, processor time, latency and memory beside redis-server; BENCH="--quick --only get"
	$(CARGO) build --release --locked --bin forgekv
	$(CARGO) build --release --locked -p forgekv-bench
	$(TARGET)/release/forgekv-bench --forgekv $(RELEASE) $(BENCH)

# glibc linked statically keeps the one toolchain that is installed; a musl target would have to be downloaded and its allocator is slow.
# Relocations are packed (glibc unpacks them from 2.36 on: the binary is run once to see), and static.ld leaves out what serves unwinding
# only; that is half a megabyte. rustc's own linker, which it takes on x86-64, makes one of functions and constants that are equal: nothing
# here compares their addresses.
STATIC_FLAGS := -C target-feature=+crt-static -C strip=symbols -C link-arg=-Wl,-z,pack-relative-relocs \
	-C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,static.ld
ifeq ($(HOST),x86_64-unknown-linux-gnu)
STATIC_FLAGS += -C link-arg=-Wl,--icf=all -C link-arg=-Wl,--ignore-data-address-equality
endif

static: linker ## one static, stripped binary: target/static/forgekv
	RUSTFLAGS='$(STATIC_FLAGS)' \
		$(CARGO) build --release --locked --bin forgekv --target $(HOST)
	@mkdir -p $(dir $(STATIC))
	cp $(TARGET)/$(HOST)/release/forgekv $(STATIC)
	@if LC_ALL=C ldd $(STATIC) 2>&1 | grep -q '=>'; then echo "$(STATIC) needs shared libraries" >&2; ldd $(STATIC); exit 1; fi
	@if LC_ALL=C readelf -lW $(STATIC) 2>/dev/null | grep -q INTERP; then echo "$(STATIC) needs an interpreter" >&2; exit 1; fi
	$(STATIC) --version
	@size=$$(stat -c %s $(STATIC)); echo "$(STATIC): $$size bytes, static"; \
		if [ $$size -gt $(STATIC_MAX) ]; then echo "more than $(STATIC_MAX) bytes" >&2; exit 1; fi

define UNIT
[Unit]
Description=ForgeKV, a Redis-compatible server
After=network.target

[Service]
Type=simple
ExecStart=$(BINDIR)/forgekv $(SYSCONFDIR)/forgekv/forgekv.conf
WorkingDirectory=$(STATEDIR)
Restart=on-failure
TimeoutStopSec=infinity
LimitNOFILE=65536
NoNewPrivileges=true
PrivateTmp=true
ProtectHome=true
ProtectSystem=full

[Install]
WantedBy=multi-user.target
endef
export UNIT

install: ## install binary, configuration (an existing one is kept) and systemd unit; PREFIX, DESTDIR
	@test -x $(RELEASE) || $(MAKE) build
	install -D -m 755 $(RELEASE) $(DESTDIR)$(BINDIR)/forgekv
	@if [ -e $(DESTDIR)$(SYSCONFDIR)/forgekv/forgekv.conf ]; then \
		echo "kept $(DESTDIR)$(SYSCONFDIR)/forgekv/forgekv.conf"; \
	else \
		install -D -m 644 forgekv.conf $(DESTDIR)$(SYSCONFDIR)/forgekv/forgekv.conf; \
	fi
	install -d -m 750 $(DESTDIR)$(STATEDIR)
	install -d $(DESTDIR)$(UNITDIR)
	@printf '%s\n' "$$UNIT" > $(DESTDIR)$(UNITDIR)/forgekv.service
	@echo "installed $(DESTDIR)$(UNITDIR)/forgekv.service"

# rustc links with cc. These two install nothing when the program is there.
linker:
	@command -v cc >/dev/null || $(call apt-install,gcc libc6-dev)

redis:
	@command -v redis-server >/dev/null || $(call apt-install,redis-server)

apt-install = { echo "installing $(1)"; apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $(1) >/dev/null; }
