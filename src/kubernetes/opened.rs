//! A client that tells when a watch has begun.

use std::sync::Arc;

use http::Request;
use kube::{Client, client::Body};

/// A client like `client` that calls `opened` each time kube-apiserver has answered a watch with a stream. kube's
/// watcher does not tell: a watch that is resumed after an error brings nothing until an object changes, for a quiet
/// resource perhaps in hours, and until then it would look as if it still failed.
///
/// Has to be called within a tokio runtime.
#[must_use]
pub fn telling_of_opened_watches(client: Client, opened: Arc<dyn Fn() + Send + Sync>) -> Client {
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, opened) = (client.clone(), opened.clone());
        let is_watch = request.uri().query().is_some_and(asks_to_watch);
        async move {
            let response = client.send(request).await?;
            if is_watch && response.status().is_success() {
                opened();
            }
            Ok::<_, kube::Error>(response)
        }
    });
    Client::new(service, namespace)
}

fn asks_to_watch(query: &str) -> bool {
    query.split('&').any(|parameter| parameter == "watch=true")
}
