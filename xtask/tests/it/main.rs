//! Tests of the tools themselves.

mod real;
