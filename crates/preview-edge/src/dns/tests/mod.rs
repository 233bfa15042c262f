//! The server at its real sockets.

mod asking;
mod table;
mod programs;
mod caching;
mod noise;
mod rates;
mod connections;
mod binding;
