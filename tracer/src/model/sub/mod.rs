//! Sub-commands: what an argument is, by the value of others.
