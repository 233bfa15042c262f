//! Real proxies with the configurations that `preview render` writes, before real daemons and dev servers.

mod stage;
mod daemon;
mod fixed;
mod table;
mod confusion;
mod credentials;
mod traefik;
mod rendered;
