//! The listeners: deadlines, caps, reload and drain on real sockets.

mod heads;
mod ipv6;
mod limits;
mod odd_requests;
mod reload;
mod shutdown;
mod world;
