.PHONY: demo demo-ha demo-keep demo-monitoring demo-stop test soak soak-ha soak-truth lint bench bench-scrape e2e docs screenshots setup

demo:
	tests/setup.sh demo
	tests/demo.sh

# two replicas with a shared journal; an adapter and a NATS server are killed
demo-ha:
	tests/setup.sh demo
	tests/demo-ha.sh

demo-keep:
	tests/setup.sh demo
	tests/demo.sh --keep

demo-monitoring: setup
	tests/demo.sh --monitoring

demo-stop:
	tests/demo.sh --stop

test: setup lint docs
	cargo test
	tests/e2e.sh

# faults around one adapter on a real control plane, for an hour (SOAK_MINUTES)
soak: setup
	tests/e2e.sh --ignored --nocapture soak::

# faults of three NATS servers and two replicas, for about half an hour (SOAK_ROUNDS=20)
soak-ha: setup
	cargo test --test nats -- --ignored --nocapture soak::

# new random histories of counters, beside the truth, for some minutes
soak-truth:
	TRUTH_HISTORIES=100 cargo test --test truth

lint:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings && cargo clippy --test e2e -- -D warnings

bench:
	cargo bench

bench-scrape:
	benches/scrape-load/compare.sh

e2e: setup
	tests/e2e.sh

docs:
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps

screenshots: setup
	tests/screenshots.sh

setup:
	@tests/setup.sh
