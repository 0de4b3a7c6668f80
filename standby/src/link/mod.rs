//! The journal's way from the primary to the standby.
