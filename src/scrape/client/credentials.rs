//! Who we are to a target, and whom we take it for.

use std::{net::SocketAddr, sync::Arc};

use http::HeaderValue;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;

use super::{
    super::{error::ScrapeError, options::CredentialOptions},
    reload::Reloaded,
    tls,
};

/// The credentials of all scrapes; one set for the whole adapter, never from annotations: whoever may create a pod
/// must not choose what is sent to it.
pub(super) struct Credentials {
    options: CredentialOptions,
    tls: Reloaded<Arc<ClientConfig>>,
    token: Option<Reloaded<HeaderValue>>,
}

impl Credentials {
    pub(super) fn new(options: &CredentialOptions) -> Self {
        let files = [&options.ca_file, &options.certificate_file, &options.key_file];
        let files = files.into_iter().flatten().cloned().collect();
        let token = |file: &std::path::PathBuf| Reloaded::new(vec![file.clone()], options.reload);
        Self {
            options: options.clone(),
            tls: Reloaded::new(files, options.reload),
            token: options.token_file.as_ref().map(token),
        }
    }

    /// How to shake hands by TLS.
    pub(super) async fn tls(&self) -> Result<Arc<ClientConfig>, ScrapeError> {
        let make = |contents: &[Vec<u8>]| tls::config(&self.options, contents).map(Arc::new);
        self.tls.current(make).await.map_err(ScrapeError::Tls)
    }

    /// The Authorization header, where it may be sent.
    pub(super) async fn token(&self, https: bool) -> Result<Option<HeaderValue>, ScrapeError> {
        let is_protected = https && !self.options.skip_verify;
        match &self.token {
            Some(token) if is_protected || self.options.token_unprotected => {
                let current = token.current(|contents| bearer(&contents.concat())).await;
                current.map(Some).map_err(ScrapeError::Tls)
            }
            _ => Ok(None),
        }
    }

    /// The name that the target's certificate has to be for.
    pub(super) fn server_name(&self, address: SocketAddr) -> Result<ServerName<'static>, ScrapeError> {
        match &self.options.server_name {
            None => Ok(ServerName::from(address.ip())),
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|error| ScrapeError::Tls(format!("server name {name:?}: {error}"))),
        }
    }
}

fn bearer(token: &[u8]) -> Result<HeaderValue, String> {
    let token = token.trim_ascii();
    if token.is_empty() {
        return Err("the bearer token file is empty".into());
    }
    let mut header = HeaderValue::from_bytes(&[b"Bearer ", token].concat())
        .map_err(|_| "the bearer token has a control character".to_owned())?;
    header.set_sensitive(true);
    Ok(header)
}
