//! Real programs, each recorded under load or at its work, and replayed with the originals gone.

#[path = "../common/mod.rs"]
mod common;

mod builds;
mod languages;
mod memcached;
mod nginx;
mod postgres;
mod redis;
mod repeat;
mod shell;
mod sqlite;
mod tls;
