//! The same requests in process or over the wire.

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

#[derive(Clone)]
pub(crate) enum Door {
    InProcess(Router),
    /// Askers are spread over the clients; one of HTTP/2 has one connection.
    Wire {
        base: String,
        clients: Vec<reqwest::Client>,
    },
}

impl Door {
    pub(crate) async fn get(&self, asker: usize, path: &str) -> Vec<u8> {
        self.ask(asker, (Method::GET, path), String::new()).await
    }

    pub(crate) async fn post(&self, asker: usize, path: &str, body: String) {
        self.ask(asker, (Method::POST, path), body).await;
    }

    /// The body of an answer, which has to be 200.
    async fn ask(&self, asker: usize, (method, path): (Method, &str), body: String) -> Vec<u8> {
        let (status, body) = match self {
            Self::InProcess(router) => {
                let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
                let answer = router.clone().oneshot(request).await.unwrap();
                (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
            }
            Self::Wire { base, clients } => {
                let client = &clients[asker % clients.len()];
                let answer = client.request(method, format!("{base}{path}")).body(body).send().await.unwrap();
                (answer.status(), answer.bytes().await.unwrap())
            }
        };
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        body.to_vec()
    }
}
