//! The bodies that are arriving, or are there and wait to be stored.

use crate::serve::Room;

pub(super) use crate::serve::{ByteBudget as Arrivals, Share as Arrival};

/// The room of the write port: 32 batches of the largest size, so that they fit beside everything else with buffers
/// that may be twice as large.
pub(super) const ROOM: Room = Room { holders: 2_048, bytes: 32 << 20 };
