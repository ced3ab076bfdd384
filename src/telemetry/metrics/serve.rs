//! Listeners and the certificate that they show.

use std::sync::Arc;

use prometheus::Error;

use super::{
    float,
    label::label,
    registration::{Reading, Readings, Registration},
};
use crate::serve::{ConnectionCounters, ServingCertificate};

/// What the listeners count, and how many connections each may have.
#[derive(Clone, Debug)]
pub struct Listeners {
    /// TLS: the metrics API.
    pub secure: Arc<ConnectionCounters>,
    /// Writes.
    pub write: Arc<ConnectionCounters>,
    /// Operators.
    pub admin: Arc<ConnectionCounters>,
    /// The limit of each.
    pub connections_limit: usize,
}

pub(super) fn register(
    registration: &mut Registration<'_>,
    certificate: Arc<ServingCertificate>,
    listeners: Listeners,
) -> Result<(), Error> {
    let what = [
        Reading::gauge("serve_connections", "Open connections.").by::<(Listener,)>(),
        Reading::gauge("serve_connections_limit", "Connections that may be open.").by::<(Listener,)>(),
        Reading::counter("serve_connections_accepted_total", "Connections that were taken.")
            .by::<(Listener,)>(),
        Reading::counter("serve_connection_failures_total", "Connections that ended early, by reason.")
            .by::<(Listener, Failure)>(),
        Reading::counter("serve_panics_total", "Requests whose answer panicked.").by::<(Listener,)>(),
        Reading::gauge(
            "serve_certificate_not_after_timestamp_seconds",
            "When the serving certificate expires, in seconds since 1970.",
        ),
        Reading::counter("serve_certificate_reloads_total", "How often another certificate was taken."),
        Reading::gauge("serve_certificate_failing", "1 while the certificate files cannot be used."),
    ];
    registration.readings(&what, move |readings| {
        connections(readings, &listeners);
        shown(readings, &certificate);
    })
}

fn connections(readings: &mut Readings<'_>, listeners: &Listeners) {
    let each = [
        (Listener::Secure, &listeners.secure),
        (Listener::Write, &listeners.write),
        (Listener::Admin, &listeners.admin),
    ];
    for (listener, counters) in each {
        readings.put_by("serve_connections", (listener,), count(counters.open.get()));
        readings.put_by("serve_connections_limit", (listener,), float(listeners.connections_limit));
        readings.put_by("serve_connections_accepted_total", (listener,), count(counters.accepted.get()));
        readings.put_by("serve_panics_total", (listener,), count(counters.panicked.get()));
        let failures = [
            (Failure::Cap, &counters.refused),
            (Failure::ClientCap, &counters.refused_client),
            (Failure::Handshake, &counters.handshake_failed),
            (Failure::HandshakeTimeout, &counters.handshake_timed_out),
            (Failure::Idle, &counters.timed_out),
            (Failure::HeadBudget, &counters.displaced),
            (Failure::Cut, &counters.cut),
            (Failure::Accept, &counters.accept_failed),
        ];
        for (failure, of) in failures {
            readings.put_by("serve_connection_failures_total", (listener, failure), count(of.get()));
        }
    }
}

fn shown(readings: &mut Readings<'_>, certificate: &ServingCertificate) {
    let status = certificate.status();
    let not_after = status.not_after.as_duration().as_secs_f64();
    readings.put("serve_certificate_not_after_timestamp_seconds", not_after);
    readings.put("serve_certificate_reloads_total", count(status.generation.saturating_sub(1)));
    readings.put("serve_certificate_failing", f64::from(u8::from(status.problem.is_some())));
}

fn count(count: u64) -> f64 {
    float(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Which port.
#[derive(Clone, Copy)]
enum Listener {
    Secure,
    Write,
    Admin,
}

/// Why a connection ended early.
#[derive(Clone, Copy)]
enum Failure {
    Cap,
    ClientCap,
    Handshake,
    HandshakeTimeout,
    Idle,
    HeadBudget,
    Cut,
    Accept,
}

label!(Listener, "listener", { Secure => "secure", Write => "write", Admin => "admin" });

label!(Failure, "reason", {
    Cap => "cap",
    ClientCap => "client_cap",
    Handshake => "handshake",
    HandshakeTimeout => "handshake_timeout",
    Idle => "idle",
    HeadBudget => "head_budget",
    Cut => "cut",
    Accept => "accept",
});
