//! Real proxies with the configurations that `preview render` writes, before real daemons and dev servers.

mod stage;
mod daemon;
mod fixed;
mod confusion;
mod traefik;
mod rendered;
