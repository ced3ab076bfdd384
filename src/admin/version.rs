//! `GET /version`: which build answers, for programs.

use std::env::consts::{ARCH, OS};

use axum::Json;
use serde::Serialize;

use crate::version::{COMMIT, DATE, VERSION};

#[derive(Serialize)]
pub(super) struct Version {
    version: &'static str,
    commit: &'static str,
    date: &'static str,
    os: &'static str,
    arch: &'static str,
}

pub(super) async fn answer() -> Json<Version> {
    Json(Version { version: VERSION, commit: COMMIT, date: DATE.as_str(), os: OS, arch: ARCH })
}
