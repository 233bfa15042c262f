//! Which TCP sockets listen on this host, and whose they are, asked from the kernel by `sock_diag(7)`.
//!
//! A look-up is one message to the kernel and one back, some microseconds, and sees what nobody else's
//! processes can forge: uid, inode and cgroup of the socket. Everything blocks, but the kernel answers before
//! the question returns. Needs no privilege; sees the network namespace it was opened in.
#![deny(missing_docs)]

mod seen;
mod message;
mod diag;

pub use diag::{Diag, DiagError};
pub use seen::{SocketSeen, receiving};
