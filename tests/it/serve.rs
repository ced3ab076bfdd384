//! The listeners: deadlines, caps, reload and drain on real sockets.

mod limits;
mod odd_requests;
mod reload;
mod shutdown;
mod world;
