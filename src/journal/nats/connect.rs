//! The connection: addresses, TLS, and who we are. Files are read at each connect, so a rotated one is taken up.

use std::{path::PathBuf, time::Duration};

use async_nats::{Auth, AuthError, Client, ConnectError, ConnectOptions, Event};

/// Where the servers are, and how they know us.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// URLs of all that may be used.
    pub urls: Vec<String>,
    /// Authorities of the servers' certificates; `None` is those of the system.
    pub ca_file: Option<PathBuf>,
    /// A client certificate and its key.
    pub client_pair: Option<(PathBuf, PathBuf)>,
    /// How we log in.
    pub login: Login,
}

/// How we log in.
#[derive(Clone, Debug, Default)]
pub enum Login {
    /// By the client certificate, or not at all.
    #[default]
    Nothing,
    /// A user, and a file with its password.
    Password {
        /// The user.
        user: String,
        /// The file.
        file: PathBuf,
    },
    /// A file with a JWT and the seed of its key, as `nsc` makes them.
    Credentials(PathBuf),
}

impl Servers {
    /// Returns at once: the first connection too is made in the background, and made again whenever it breaks.
    ///
    /// # Errors
    /// When a URL is none, or a file cannot be read.
    pub(super) async fn connect(&self, timeout: Duration) -> Result<Client, ConnectError> {
        let login = self.login.clone();
        let mut options = ConnectOptions::with_auth_callback(move |nonce| auth(login.clone(), nonce))
            .name("custom-metrics-adapter")
            .custom_inbox_prefix("_INBOX_cma")
            .retry_on_initial_connect()
            // Their addresses are those of pods, which certificates do not name, and which nobody has configured.
            .ignore_discovered_servers()
            .connection_timeout(timeout)
            .request_timeout(Some(timeout))
            // A server that hangs is left after two of them.
            .ping_interval(PING)
            .reconnect_delay_callback(pause)
            .event_callback(tell);
        if let Some(file) = &self.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        if let Some((certificate, key)) = &self.client_pair {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
        options.connect(self.urls.clone()).await
    }
}

async fn auth(login: Login, nonce: Vec<u8>) -> Result<Auth, AuthError> {
    let mut auth = Auth::new();
    match login {
        Login::Nothing => {}
        Login::Password { user, file } => {
            let password = tokio::fs::read_to_string(&file).await;
            let password = password.map_err(|error| refused(format!("{}: {error}", file.display())))?;
            auth.username = Some(user);
            auth.password = Some(password.trim_end().to_owned());
        }
        Login::Credentials(file) => {
            let text = tokio::fs::read_to_string(&file).await;
            let text = text.map_err(|error| refused(format!("{}: {error}", file.display())))?;
            let (jwt, seed) = credentials(&text)
                .ok_or_else(|| refused(format!("{} has no JWT and seed", file.display())))?;
            let key = nkeys::KeyPair::from_seed(seed).map_err(|error| refused(error.to_string()))?;
            auth.signature = Some(key.sign(&nonce).map_err(|error| refused(error.to_string()))?);
            auth.jwt = Some(jwt.to_owned());
        }
    }
    Ok(auth)
}

fn refused(problem: String) -> AuthError {
    tracing::warn!(error = %problem, "the login for the journal's servers cannot be read");
    AuthError::new(problem)
}

/// The JWT and the seed of a `.creds` file: two blocks between lines of dashes.
fn credentials(text: &str) -> Option<(&str, &str)> {
    let mut blocks =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).skip_while(|line| !is_begin(line));
    let _begin = blocks.next()?;
    let jwt = blocks.next()?;
    let mut seeds = blocks.skip_while(|line| !is_begin(line));
    let _begin = seeds.next()?;
    Some((jwt, seeds.next()?))
}

fn is_begin(line: &str) -> bool {
    line.starts_with("---") && line.contains("BEGIN")
}

/// After the first try at once, up to two seconds: an election takes longer, and the servers that are left answer sooner.
fn pause(attempts: usize) -> Duration {
    let exponent = u32::try_from(attempts).unwrap_or(u32::MAX).clamp(1, 6);
    (SHORTEST * (1 << (exponent - 1))).min(LONGEST)
}

async fn tell(event: Event) {
    match event {
        Event::ServerError(error) => tracing::warn!(%error, "a server of the journal refuses"),
        Event::ClientError(error) => tracing::debug!(%error, "the journal's client"),
        event => tracing::debug!(%event, "the journal's connection"),
    }
}

const PING: Duration = Duration::from_secs(2);
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credentials_file_has_a_jwt_and_a_seed() {
        let text = "-----BEGIN NATS USER JWT-----\neyJ0.e30.c2ln\n------END NATS USER JWT------\n\n\
                    **** keep it secret ****\n\n-----BEGIN USER NKEY SEED-----\n  SUAB\r\n------END USER NKEY SEED------\n";
        assert_eq!(credentials(text), Some(("eyJ0.e30.c2ln", "SUAB")));
        for broken in ["", "eyJ0.e30.c2ln", "-----BEGIN NATS USER JWT-----\neyJ0\n"] {
            assert_eq!(credentials(broken), None);
        }
    }

    #[test]
    fn reconnects_begin_at_once_and_pause_for_a_second_at_most() {
        let pauses: Vec<_> = [0, 1, 2, 5, 6, 1_000].map(|attempts| pause(attempts).as_millis()).to_vec();
        assert_eq!(pauses, [50, 50, 100, 800, 1_000, 1_000]);
    }
}
