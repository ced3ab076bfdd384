//! Puts any number in front of the Kubernetes Horizontal Pod Autoscaler.
//!
//! ```text
//! curl ──POST /write-metrics──▶ write ─┐                        ┌─▶ api ──TLS──▶ kube-apiserver ─▶ HPA, kubectl
//!                                      ├─▶ store (the one owner)┤
//! pods ◀──GET /metrics── scrape ───────┘                        └─▶ admin ──▶ /metrics, probes, status page
//! ```
//!
//! One way, no way back. A read of the API touches memory only: it waits for no scrape, no write and no call to
//! Kubernetes. `ARCHITECTURE.md` has the invariants and the arrows between modules, and `tests/tidy.rs` keeps them.

pub mod model;

pub mod exposition;

pub mod derive;

pub mod relabel;
pub mod replicas;

pub mod monitor;

pub mod store;

pub mod hpa;

pub mod notice;

pub mod kubernetes;

pub mod journal;

pub mod cluster;

pub mod owned;

pub mod write;

pub mod scrape;

pub mod insight;

pub mod events;

pub mod auth;

pub mod api;

pub mod serve;

pub mod ca;

pub mod admin;

pub mod explain;

pub mod warming;

pub mod checks;

pub mod config;

pub mod telemetry;

pub mod version;

pub mod runtime;

pub mod shutdown;

pub mod app;
