//! The exposition parser against what others make of the same bytes, and against itself.

#![cfg(test)]

mod agreement;
mod bodies;
mod corpus;
mod peer;
mod protobuf;
mod text;
mod vectors;
mod view;
