//! The real servers, started directly, without a preview in between.

mod browsers;
mod name_servers;
mod devservers;
mod processes;
mod servers;
