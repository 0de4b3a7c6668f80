//! What the tables of sub-commands promise.
