//! Pull in: annotations -> targets, one loop a target, one GET under one deadline and one byte cap.
