//! The real servers, started directly, without a preview in between.

mod devservers;
mod processes;
