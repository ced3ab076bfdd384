//! Tests through public doors, one binary with a module per behaviour.

mod api_answers;
mod api_hostile;
mod replay;
mod world;
