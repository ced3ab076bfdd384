//! The one owner of state: append, read, forget, sweep, stats. Spawns no task and reads no clock.
