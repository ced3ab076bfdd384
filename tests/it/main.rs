//! Behaviour seen through public doors: real sockets, real handshakes, a scripted Kubernetes API.
//! One binary, a module per behaviour.

mod support;
mod world;

mod api_answers;
mod api_hostile;
mod auth;
mod replay;
mod serve;
