//! `preview` as people and scripts meet it: the real program, in a home of its own.

mod home;
mod pair;
mod golden;
mod offline;
mod doctor;
mod certs;
mod up;
mod run;
mod outside;
mod random;
mod resilience;
mod proxies;
mod operator;
mod secrets;
mod canary;
mod e2e;
