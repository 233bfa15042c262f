//! An edge with routes, as most tests need one.

use preview_core::route::Route;
use preview_edge::config::Config;
use xtask::real::Scratch;

use crate::daemon::FakeDaemon;
use crate::edge::{Edge, config};

pub(crate) struct Stage {
    pub(crate) daemon: FakeDaemon,
    pub(crate) edge: Edge,
    pub(crate) scratch: Scratch,
}

impl Stage {
    /// By plain HTTP, under names that can be guessed.
    pub(crate) fn with(routes: Vec<Route>) -> Self {
        Self::of(routes, |_| {})
    }

    /// The same with another configuration.
    pub(crate) fn of(routes: Vec<Route>, change: impl FnOnce(&mut Config)) -> Self {
        let scratch = Scratch::new().expect("a folder");
        let daemon = FakeDaemon::with_routes(&scratch, routes);
        let mut config = config(&scratch);
        change(&mut config);
        Self { daemon, edge: Edge::start(config), scratch }
    }

    /// Under names that cannot be guessed.
    pub(crate) fn unguessable(route: Route) -> Self {
        Self::of(vec![route], |config| set_template(config, "http://{id}.preview.test"))
    }

    /// By HTTPS, and by plain HTTP without a redirect.
    pub(crate) fn secure(routes: Vec<Route>, change: impl FnOnce(&mut Config)) -> Self {
        let https = |mut route: Route| {
            route.url.origin = route.url.origin.replace("http://", "https://");
            route
        };
        Self::of(routes.into_iter().map(https).collect(), |config| {
            config.https = Some("127.0.0.1:0".parse().expect("a place"));
            set_template(config, "https://{name}.preview.test");
            change(config);
        })
    }
}

pub(crate) fn set_template(config: &mut Config, template: &str) {
    config.template = template.parse().expect("a template");
    config.access.template = config.template.clone();
}
