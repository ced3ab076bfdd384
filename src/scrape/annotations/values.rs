//! The values of annotations.

use std::{str::FromStr, sync::Arc};

use http::uri::{PathAndQuery, Scheme};

use super::PortName;
use crate::{
    model::Fold,
    scrape::allow::{AllowList, NameList, NameListError},
};

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("expected true or false".into()),
    }
}

pub(super) fn ports(value: &str) -> Result<Vec<PortName>, String> {
    let mut ports = Vec::new();
    for word in value.split(',').map(str::trim) {
        let port = port(word)?;
        if !ports.contains(&port) {
            ports.push(port);
        }
        if ports.len() > MOST_PORTS {
            return Err(format!("expected at most {MOST_PORTS} ports"));
        }
    }
    Ok(ports)
}

/// A number, or a port name: at most 15 letters, digits and dashes with a letter among them, as Kubernetes has it.
fn port(word: &str) -> Result<PortName, String> {
    const RULE: &str = "expected port numbers (1 to 65535) or names of declared ports, with commas between";
    let named = word.len() <= 15
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    match word.parse::<u16>() {
        Ok(0) => Err(RULE.into()),
        Ok(number) if word.bytes().all(|byte| byte.is_ascii_digit()) => Ok(PortName::Number(number)),
        _ if named => Ok(PortName::Name(word.to_ascii_lowercase())),
        _ => Err(RULE.into()),
    }
}

pub(super) fn scheme(value: &str) -> Result<Scheme, String> {
    match value.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::HTTP),
        "https" => Ok(Scheme::HTTPS),
        _ => Err("expected http or https".into()),
    }
}

pub(in crate::scrape) fn path(value: &str) -> Result<PathAndQuery, String> {
    let absolute = if value.starts_with('/') { value.to_owned() } else { format!("/{value}") };
    // two slashes at the start would read as a host to some servers
    if absolute.starts_with("//") || absolute.contains('#') || absolute.len() > MAX_PATH_BYTES {
        return Err("expected a path such as /metrics, with a query if wanted".into());
    }
    PathAndQuery::from_str(&absolute).map_err(|error| format!("not a path: {error}"))
}

pub(super) fn fold(value: &str) -> Result<Fold, String> {
    Fold::named(value).ok_or_else(|| "expected sum, avg, max or min".into())
}

pub(super) fn allow(value: &str) -> Result<Arc<AllowList>, String> {
    AllowList::parse(value).map(Arc::new).map_err(|error| no_list(&error))
}

pub(super) fn counters(value: &str) -> Result<Arc<NameList>, String> {
    NameList::parse(value).map(Arc::new).map_err(|error| no_list(&error))
}

fn no_list(error: &NameListError) -> String {
    format!("expected metric names, with commas between: {error}")
}

/// Targets that one pod can ask for: each takes a place among the scrapes under way.
const MOST_PORTS: usize = 16;

const MAX_PATH_BYTES: usize = 2048;
