//! Where a span can be put around each request.

use http::{HeaderMap, Method, StatusCode, Uri};
use tracing::Span;

/// Begins and ends the span of a request. A hook and not a layer of the router: a layer of axum costs each request
/// three boxes, one that is not sampled too.
pub trait RequestSpans: Send + Sync + 'static {
    /// The span of a request with this head; [`Span::none`] if it has none.
    fn begin(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Span;

    /// It was answered. Not called when its client has gone away.
    fn end(&self, span: &Span, status: StatusCode);
}
