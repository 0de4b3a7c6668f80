//! Who of the two nodes may be active.
