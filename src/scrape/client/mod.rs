//! One GET under one deadline and one byte cap.
//!
//! The deadline covers connecting, TLS, headers and body together; the cap covers the body as it comes and, by
//! [`exposition::decode`](crate::exposition::decode), as it unpacks. Nothing is redirected, no proxy is asked, no
//! name is resolved: the address is a pod's, from its status.
//!
//! **A connection at rest is a socket and nothing else.** Between two scrapes a target is idle for all but some
//! milliseconds. A usual client keeps the buffers of each idle connection, which is most of what a target would cost;
//! here they are made for one exchange and go with it ([`connection`]).

mod connection;
mod credentials;
mod large;
mod reload;
mod tls;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode, Version,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        HOST, LOCATION, TRANSFER_ENCODING, USER_AGENT,
    },
    response,
};
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use rustls::ClientConfig;
use tokio::{net::TcpStream, time::Instant};

use self::{
    connection::{Exchange, Stream},
    credentials::Credentials,
    large::{Place, Places},
};
use super::{
    ScrapeOptions,
    error::{ScrapeError, Stage},
    options::Compression,
    targets::TargetSpec,
};
use crate::exposition::{ACCEPT_OPENMETRICS, ACCEPT_TEXT, Format, Negotiated, decode};
use crate::model::Tenant;

/// Sends the requests of all targets.
pub(super) struct Client {
    credentials: Credentials,
    connect_timeout: Duration,
    body_bytes: usize,
    large_bodies: Places,
    compression: Compression,
    request_headers: Option<super::options::RequestHeaders>,
}

/// A connection between two scrapes.
pub(super) struct Kept {
    stream: Box<dyn Stream>,
    /// What TLS was set up with; other files, another connection.
    tls: Option<Arc<ClientConfig>>,
}

/// What a body is, by its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) negotiated: Negotiated,
    pub(super) encoding: decode::Encoding,
    /// Whether only the end of the connection says that the body is whole.
    pub(super) ends_by_closing: bool,
}

/// The head of a good response; its body is where the caller wanted it.
pub(super) struct Head {
    pub(super) form: Form,
    /// Held for as long as the body is.
    _place: Option<Place>,
}

/// A request under way: what it is doing, and where its body goes.
struct Attempt<'a> {
    client: &'a Client,
    target: &'a TargetSpec,
    gzip: bool,
    stage: Stage,
    body: &'a mut Vec<u8>,
    place: Option<Place>,
}

impl Client {
    pub(super) fn new(options: &ScrapeOptions) -> Self {
        Self {
            credentials: Credentials::new(&options.credentials),
            connect_timeout: options.connect_timeout,
            body_bytes: options.body_bytes,
            large_bodies: Places::new(options.large_bodies),
            compression: options.compression,
            request_headers: options.request_headers.clone(),
        }
    }

    /// Fetches `target` into `body`, which is cleared first, over the kept connection if there is one that works.
    /// Afterwards `kept` is the connection for the next time, if there is one.
    ///
    /// # Errors
    /// When no whole body with status 200 comes in time and within the cap.
    pub(super) async fn fetch(
        &self,
        target: &TargetSpec,
        kept: &mut Option<Kept>,
        last_body_bytes: usize,
        body: &mut Vec<u8>,
    ) -> Result<Head, ScrapeError> {
        let gzip = match self.compression {
            Compression::Auto => last_body_bytes > LARGE_BODY,
            Compression::Gzip => true,
            Compression::Identity => false,
        };
        let after = target.settings.timeout;
        let mut attempt = Attempt { client: self, target, gzip, stage: Stage::Connecting, body, place: None };
        let head = tokio::time::timeout_at(Instant::now() + after, attempt.run(kept)).await;
        let stage = attempt.stage;
        head.unwrap_or(Err(ScrapeError::Timeout { stage, after }))
    }

    fn request(&self, target: &TargetSpec, gzip: bool, token: Option<HeaderValue>) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        // an authority-free URI is what stands in the request line
        *request.uri_mut() = http::Uri::from(target.settings.path.clone());
        let headers = request.headers_mut();
        headers.insert(HOST, value(&target.key.address.to_string()));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let accept = if target.settings.openmetrics { ACCEPT_OPENMETRICS } else { ACCEPT_TEXT };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let encoding = if gzip { decode::ACCEPT_ENCODING } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        headers.insert(TIMEOUT_HEADER, value(&target.settings.timeout.as_secs_f64().to_string()));
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token);
        }
        if let Some(add) = &self.request_headers {
            add(headers);
        }
        request
    }
}

impl Attempt<'_> {
    async fn run(&mut self, kept: &mut Option<Kept>) -> Result<Head, ScrapeError> {
        let tls = if self.target.key.https { Some(self.client.credentials.tls().await?) } else { None };
        let token = self.client.credentials.token(self.target.key.https).await?;
        let reusable = kept.take().filter(|kept| same(kept.tls.as_ref(), tls.as_ref()));
        if let Some(mut old) = reusable
            && old.is_open()
        {
            match self.exchange(old, token.clone()).await {
                // the server may close an idle connection just when it is used again
                Err(ScrapeError::Protocol(_)) if self.stage == Stage::Headers => {}
                exchanged => return Self::keep(kept, exchanged),
            }
        }
        let new = self.connect(tls).await?;
        let exchanged = self.exchange(new, token).await;
        Self::keep(kept, exchanged)
    }

    fn keep(
        kept: &mut Option<Kept>,
        exchanged: Result<(Head, Option<Kept>), ScrapeError>,
    ) -> Result<Head, ScrapeError> {
        let (head, connection) = exchanged?;
        *kept = connection;
        Ok(head)
    }

    async fn connect(&mut self, tls: Option<Arc<ClientConfig>>) -> Result<Kept, ScrapeError> {
        self.stage = Stage::Connecting;
        let tcp = self.tcp().await?;
        let Some(config) = tls else { return Ok(Kept { stream: Box::new(tcp), tls: None }) };
        self.stage = Stage::Handshake;
        let name = self.client.credentials.server_name(self.target.key.address)?;
        let connector = tokio_rustls::TlsConnector::from(config.clone());
        let stream =
            connector.connect(name, tcp).await.map_err(|error| ScrapeError::Tls(error.to_string()))?;
        Ok(Kept { stream: Box::new(stream), tls: Some(config) })
    }

    async fn tcp(&self) -> Result<TcpStream, ScrapeError> {
        let after = self.client.connect_timeout;
        let connected = tokio::time::timeout(after, TcpStream::connect(self.target.key.address)).await;
        let timed_out = ScrapeError::Timeout { stage: Stage::Connecting, after };
        connected.map_err(|_| timed_out)?.map_err(ScrapeError::Connect)
    }

    async fn exchange(
        &mut self,
        connection: Kept,
        token: Option<HeaderValue>,
    ) -> Result<(Head, Option<Kept>), ScrapeError> {
        self.stage = Stage::Headers;
        self.body.clear();
        let request = self.client.request(self.target, self.gzip, token);
        let mut exchange = Exchange::begin(connection.stream, self.body.capacity()).await?;
        let (head, incoming) = exchange.send(request).await?.into_parts();
        let form = check(&head)?;
        self.read(&mut exchange, incoming).await?;
        let good = Head { form, _place: self.place.take() };
        let stream = if says_close(&head) { None } else { exchange.into_stream() };
        Ok((good, stream.map(|stream| Kept { stream, tls: connection.tls })))
    }
}

impl Attempt<'_> {
    /// The next part of the body; an error when somebody else needs its place.
    async fn chunk(
        &self,
        exchange: &mut Exchange,
        incoming: &mut Incoming,
    ) -> Result<Option<Bytes>, ScrapeError> {
        let Some(place) = &self.place else { return exchange.chunk(incoming).await };
        tokio::select! {
            biased;
            chunk = exchange.chunk(incoming) => chunk,
            () = place.taken() => Err(ScrapeError::Timeout { stage: Stage::Lent, after: large::LENT }),
        }
    }

    /// Reads a whole body within the cap; from a certain size on in turns with others.
    async fn read(&mut self, exchange: &mut Exchange, mut incoming: Incoming) -> Result<(), ScrapeError> {
        self.stage = Stage::Body;
        let limit = self.client.body_bytes;
        let announced = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            return Err(ScrapeError::Size { limit });
        }
        self.body.reserve(announced.min(large::FROM_BYTES));
        while let Some(chunk) = self.chunk(exchange, &mut incoming).await? {
            let size = self.body.len() + chunk.len();
            if size > limit {
                return Err(ScrapeError::Size { limit });
            }
            if size > large::FROM_BYTES && self.place.is_none() {
                self.stage = Stage::Turn;
                self.place = Some(self.client.large_bodies.take(&Tenant::of(&self.target.object)).await);
                self.stage = Stage::Body;
                self.body.reserve(announced.saturating_sub(self.body.len()));
            }
            self.body.extend_from_slice(&chunk);
        }
        Ok(())
    }
}

impl Kept {
    /// Whether nothing has come while nothing was asked: neither an end nor anything else.
    fn is_open(&mut self) -> bool {
        use futures::FutureExt;
        use tokio::io::AsyncReadExt;
        self.stream.read(&mut [0]).now_or_never().is_none()
    }
}

fn same(one: Option<&Arc<ClientConfig>>, other: Option<&Arc<ClientConfig>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// Exactly 200: a 204 or 206 is not a whole exposition either.
fn check(head: &response::Parts) -> Result<Form, ScrapeError> {
    if head.status.is_redirection() {
        let location = text(&head.headers, &LOCATION).unwrap_or_default().chars().take(200).collect();
        return Err(ScrapeError::Redirect { status: head.status, location });
    }
    if head.status != StatusCode::OK {
        return Err(ScrapeError::Status(head.status));
    }
    let encoding = decode::Encoding::from_header(text(&head.headers, &CONTENT_ENCODING))?;
    let negotiated = Format::from_content_type(text(&head.headers, &CONTENT_TYPE));
    let says_length = [CONTENT_LENGTH, TRANSFER_ENCODING].iter().any(|name| head.headers.contains_key(name));
    Ok(Form { negotiated, encoding, ends_by_closing: !says_length })
}

fn says_close(head: &response::Parts) -> bool {
    let connection = text(&head.headers, &CONNECTION).unwrap_or_default();
    head.version != Version::HTTP_11
        || connection.split(',').any(|option| option.trim().eq_ignore_ascii_case("close"))
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// For addresses and numbers, which are always header values.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// From here on unpacking costs less than what the network has to carry.
const LARGE_BODY: usize = 256 << 10;
const AGENT: &str = concat!("custom-metrics-adapter/", env!("CARGO_PKG_VERSION"));
/// What exporters that ask others (blackbox, snmp) divide their time by.
const TIMEOUT_HEADER: &str = "x-prometheus-scrape-timeout-seconds";
