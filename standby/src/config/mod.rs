//! Options of both nodes.
