//! The listeners: deadlines, caps, reload and drain on real sockets.

mod heads;
mod ipv6;
mod limits;
mod reload;
mod shutdown;
mod world;
