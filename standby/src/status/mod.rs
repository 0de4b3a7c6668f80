//! What a node tells.
