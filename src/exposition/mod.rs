//! The text (or protobuf) of a target -> samples, or errors that name the line; our own parser.
