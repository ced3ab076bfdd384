//! Behaviour seen through public doors: real sockets, real handshakes, a scripted Kubernetes API.

mod support;

mod auth;
mod serve;
