//! The listeners: deadlines, caps, reload and drain on real sockets.

mod limits;
mod reload;
mod shutdown;
mod world;
