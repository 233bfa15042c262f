//! Real servers, browsers and programs that tests and `cargo xtask smoke` run against.
//!
//! Everything here is a guard: dropping it ends what it started, with all descendants. It runs our
//! binaries, it never links our crates. A component that is missing is an error that names the package
//! to install (`xtask/real/PACKAGES` lists them), never a reason to skip.

pub mod wait;
pub mod ports;
pub mod address;
pub mod scratch;
pub mod tree;
pub mod process;
pub mod bin;
pub mod fixture;
pub mod devservers;
pub mod echo;
pub mod http_server;
pub mod curl;
pub mod authority;
pub mod pebble;
pub mod front;
pub mod dig;
pub mod zone;
pub mod named;
pub mod knot;
pub mod login;
pub mod clock;
pub mod nginx;
pub mod haproxy;
pub mod caddy;
pub mod traefik;
pub mod preview;
pub mod browser;

pub use address::{free_address, give_pool};
pub use authority::{Authority, Certificate};
pub use bin::bin;
pub use browser::Browser;
pub use caddy::Caddy;
pub use clock::Clock;
pub use devservers::{Checkout, DevServer};
pub use echo::EchoServer;
pub use fixture::prepare;
pub use front::Front;
pub use knot::Knot;
pub use login::Login;
pub use named::Named;
pub use nginx::Nginx;
pub use pebble::Pebble;
pub use ports::{free_port, free_port_outside};
pub use process::{Process, Signal};
pub use scratch::Scratch;
pub use traefik::Traefik;
pub use wait::{poll, poll_for};
pub use zone::{TsigKey, Zone};
