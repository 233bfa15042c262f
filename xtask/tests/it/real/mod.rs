//! The real servers, started directly, without a preview in between.

mod browsers;
mod devservers;
mod processes;
mod servers;
