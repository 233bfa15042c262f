//! Contributor tooling: one file per command, and what the crates' tests borrow.
//!
//! Nothing here links the product's crates: its programs are run as built, found in `PREVIEW_BIN_DIR`.

pub mod count;
pub mod install;
pub mod real;
pub mod shell;
pub mod smoke;
pub mod soak;
pub mod steps;
pub mod supply_chain;
pub mod test;
pub mod tidy;
