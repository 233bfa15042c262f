//! `preview certs` against a real authority and real name servers.

mod world;
mod obtaining;
mod checking;
mod cleaning;
mod planning;
