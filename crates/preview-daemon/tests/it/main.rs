//! What crosses the daemon's modules, told as stories.

mod client;
mod house;
mod service;

mod attaching;
mod telling;
mod feeding;
mod reaping;
mod listeners;
mod racing;
mod killing;
mod full;
mod api;
