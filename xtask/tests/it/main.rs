//! Tests of the tools themselves.

mod real;
mod smoke;
