//! What flags may not say together.

use std::{fmt::Display, net::SocketAddr};

use clap::{ArgMatches, parser::ValueSource};
use jiff::SignedDuration;

use super::{Config, FileError, Listen};
use crate::derive::DerivationError;

/// Why a configuration cannot be run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// No delegated authorization, so nobody else may reach it.
    #[error(
        "--standalone serves without authorization, so --{flag} must be a loopback address, not {address}"
    )]
    NotLoopback {
        /// Which flag.
        flag: &'static str,
        /// What it said.
        address: SocketAddr,
    },
    /// One value is more than another one leaves room for.
    #[error("--{flag} is {value}, which is more than --{bound} ({limit}): lower it, or raise --{bound}")]
    TooMuch {
        /// The flag that says too much.
        flag: &'static str,
        /// What it said.
        value: String,
        /// The flag that bounds it.
        bound: &'static str,
        /// What that one said.
        limit: String,
    },
    /// Two listeners on one address.
    #[error("--{flag} is {address}, where --{other} listens already: give each listener a port of its own")]
    SameAddress {
        /// The second of the two flags.
        flag: &'static str,
        /// What it said.
        address: SocketAddr,
        /// The first of the two flags.
        other: &'static str,
    },
    /// Derived metrics that do not go together.
    #[error("--derive: {0}")]
    Derive(DerivationError),
    /// The file of flags, or what it says.
    #[error(transparent)]
    File(#[from] FileError),
    /// Two flags of which one makes the other one useless.
    #[error("--{flag} is without effect {reason}: leave one of them out")]
    Useless {
        /// The flag that nothing would heed.
        flag: &'static str,
        /// With or without which other one.
        reason: &'static str,
    },
}

impl Config {
    /// This configuration, unless its flags contradict each other. Defaults give way to flags that are set.
    pub(super) fn checked(mut self, matches: &ArgMatches) -> Result<Self, ConfigError> {
        if self.standalone {
            // No Endpoints have to be updated.
            self.shutdown.shutdown_delay = SignedDuration::ZERO;
            self.listen.move_to_loopback()?;
        }
        self.listen.check_ports()?;
        self.give_way(matches);
        self.check_bounds()?;
        self.check_effects()?;
        self.derive.derivations()?;
        Ok(self)
    }

    /// A default is lowered to the bound that a flag sets.
    fn give_way(&mut self, matches: &ArgMatches) {
        let by_default = |id: &str| matches.value_source(id) == Some(ValueSource::DefaultValue);
        if by_default("scrape_timeout") {
            self.scrape.scrape_timeout = self.scrape.scrape_timeout.min(self.scrape.scrape_interval);
        }
        if by_default("max_series_per_object") {
            self.store.max_series_per_object = self.store.max_series_per_object.min(self.store.max_series);
        }
    }

    fn check_bounds(&self) -> Result<(), ConfigError> {
        let (scrape, store, requests) = (&self.scrape, &self.store, &self.requests);
        at_most("scrape-timeout", scrape.scrape_timeout, "scrape-interval", scrape.scrape_interval)?;
        at_most("max-series-per-object", store.max_series_per_object, "max-series", store.max_series)?;
        let connections = requests.max_connections;
        at_most("max-connections-per-client", requests.per_client(), "max-connections", connections)
    }

    fn check_effects(&self) -> Result<(), ConfigError> {
        let files = &self.scrape.credentials;
        let useless = [
            (self.standalone && self.kubernetes.kubeconfig.is_some(), "kubeconfig", "with --standalone"),
            (
                self.standalone && self.tls.serving_cert_secret.is_some(),
                "serving-cert-secret",
                "with --standalone",
            ),
            (
                files.scrape_insecure_skip_verify && files.scrape_ca_file.is_some(),
                "scrape-ca-file",
                "with --scrape-insecure-skip-verify",
            ),
            (
                files.scrape_token_unprotected && files.scrape_bearer_token_file.is_none(),
                "scrape-token-unprotected",
                "without --scrape-bearer-token-file",
            ),
        ];
        let found = useless.into_iter().find(|(is_useless, ..)| *is_useless);
        found.map_or(Ok(()), |(_, flag, reason)| Err(ConfigError::Useless { flag, reason }))
    }
}

impl Listen {
    fn each(&mut self) -> Vec<(&'static str, &mut SocketAddr)> {
        let mut each =
            vec![("secure-listen", &mut self.secure_listen), ("admin-listen", &mut self.admin_listen)];
        each.extend(self.write_listen.0.as_mut().map(|address| ("write-listen", address)));
        each
    }

    fn move_to_loopback(&mut self) -> Result<(), ConfigError> {
        for (flag, address) in self.each() {
            if address.ip().is_unspecified() {
                address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            if !address.ip().is_loopback() {
                return Err(ConfigError::NotLoopback { flag, address: *address });
            }
        }
        Ok(())
    }

    fn check_ports(&mut self) -> Result<(), ConfigError> {
        let each: Vec<_> = self.each().into_iter().map(|(flag, address)| (flag, *address)).collect();
        for (at, &(other, first)) in each.iter().enumerate() {
            let clash = each.iter().skip(at + 1).find(|(_, second)| overlap(first, *second));
            if let Some(&(flag, address)) = clash {
                return Err(ConfigError::SameAddress { flag, address, other });
            }
        }
        Ok(())
    }
}

/// `value` of `flag` is at most what `bound` says. The alternate form of a duration is the one that flags take.
fn at_most<T: PartialOrd + Display + Copy>(
    flag: &'static str,
    value: T,
    bound: &'static str,
    limit: T,
) -> Result<(), ConfigError> {
    if value <= limit {
        return Ok(());
    }
    Err(ConfigError::TooMuch { flag, value: format!("{value:#}"), bound, limit: format!("{limit:#}") })
}

fn overlap(first: SocketAddr, second: SocketAddr) -> bool {
    let [one, other] = [first.ip().to_canonical(), second.ip().to_canonical()];
    first.port() != 0
        && first.port() == second.port()
        && (one == other || one.is_unspecified() || other.is_unspecified())
}
