//! The API as `docs/contract.md` §4 promises it, over its real sockets.

mod door;
mod doors;
mod keys;
mod origins;
mod calls;
mod blocking;
mod auditing;
mod tasks;
mod tools;
mod events;
mod edges;
mod verify;
mod sharing;
mod problems;
mod fuzz;
mod docs;
