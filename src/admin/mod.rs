//! The operators' port: metrics, probes, pages.
