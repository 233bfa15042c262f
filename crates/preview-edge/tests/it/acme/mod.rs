//! Certificates by ACME: a real authority, real name servers, real clients.
//!
//! Most stories run an edge of this process, whose timers are scaled; what is about a process, its death, clock or
//! disk runs the program that is shipped, with the timers that are shipped.

mod world;
mod edges;
mod hook;

mod issuance;
mod solvers;
mod renewal;
mod built_in_dns;
mod kills;
mod folders;
mod clocks;
mod faults;
