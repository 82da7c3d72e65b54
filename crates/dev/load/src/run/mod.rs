//! The commands.

pub(crate) mod chat;
pub(crate) mod fanout;
pub(crate) mod idle;
pub(crate) mod login;
pub(crate) mod prepare;
pub(crate) mod storm;
pub(crate) mod takeover;
