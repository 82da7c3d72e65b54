//! Whole nodes on loopback, with real certificates.

mod exchange;
mod joining;
mod limits;
mod node;
mod proxy;
mod reconnect;
mod relay;
mod relay_frames;
mod trust;
