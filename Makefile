# Each target installs the Debian packages that it lacks, builds, and does its job.
BUILD := build/release
BINARY := $(BUILD)/bin/cryptnono

.DEFAULT_GOAL := help
.PHONY: help build demo test test-kernels run bench lint format asan fuzz image deb clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

build: ## build the release binary, build/release/bin/cryptnono
	@scripts/install_packages build test bench
	@cmake --preset release >/dev/null
	@cmake --build --preset release

demo: build ## show the main job in a sandbox cgroup of its own
	@$(BINARY) demo --victims $(BUILD)/victims

test: build ## run every test that this machine can run
	@scripts/install_packages image deb kernels
	@scripts/run_tests $(CURDIR)/$(BUILD)
	@scripts/check_leftovers

test-kernels: build ## run the daemon's tests on each kernel that is promised, emulated (GUESTS=NAME,...: fewer; MORE=1: all; WRITE=1: docs/kernels.md)
	@scripts/install_packages kernels
	@CRYPTNONO_GUESTS=$(GUESTS) CRYPTNONO_MORE=$(MORE) CRYPTNONO_WRITE=$(WRITE) scripts/run_tests $(CURDIR)/$(BUILD) -R '^kernels$$'

run: build ## run the daemon in the foreground, in a cgroup made for it (SCOPE=host: the whole machine)
	@scripts/run_daemon $(BINARY)

bench: build ## measure, print a table, write build/bench.json
	@scripts/install_packages image kernels
	@bench/run $(BUILD)

lint: ## formatting, clang-tidy, layers, shellcheck
	@scripts/install_packages build test lint
	@scripts/lint

format: ## format the sources
	@scripts/install_packages lint
	@git ls-files 'src/*.h' 'src/*.cc' 'tests/*.cc' 'tests/*.c' 'bench/*.cc' 'bpf/*.h' 'bpf/*.c' | grep -v '^bpf/vmlinux/' | xargs clang-format -i

image: ## build the container image, build/image/cryptnono-amd64.tar, and its SBOM (ARCH=arm64: cross-compiled)
	@scripts/install_packages build image
	@packaging/image/build $(or $(ARCH),amd64)

deb: ## build the Debian package, build/deb/cryptnono_VERSION_amd64.deb
	@scripts/install_packages build deb
	@packaging/deb/build

asan: ## run the tests of user space with AddressSanitizer and UBSan
	@scripts/install_packages build test
	@cmake --preset asan >/dev/null
	@cmake --build --preset asan
	@scripts/run_tests $(CURDIR)/build/asan -L unit

fuzz: asan ## run each fuzzer for FUZZ_SECONDS (20)
	@scripts/fuzz build/asan $(or $(FUZZ_SECONDS),20)

clean: ## remove what was built
	@rm -rf build
