//! The exposition parser against what others make of the same bytes, and against itself.

mod agreement;
mod bodies;
mod corpus;
mod peer;
mod protobuf;
mod text;
mod vectors;
mod view;
