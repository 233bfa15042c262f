//! Empty until its way is written.
