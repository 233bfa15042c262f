//! Where a run lives: with a daemon that was there, or with the pair that it brought along.

use std::time::Duration;

use preview_core::refusal::Code;
use preview_core::template::UrlTemplate;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::context::Context;
use crate::embedded::{Pair, Plan};
use crate::failure::Failure;

/// How long two runs that both want to bring the pair may take to agree.
const AGREEING: Duration = Duration::from_secs(20);

/// How often it is tried again meanwhile.
const AGAIN: Duration = Duration::from_millis(30);

/// How long requests under way may take when the pair's own run ends. Others' dev servers go on without it.
const DRAIN: Duration = Duration::from_secs(1);

pub(super) struct House<'c> {
    context: &'c Context,
    client: Client,
    template: UrlTemplate,
    pair: Option<Pair>,
}

impl<'c> House<'c> {
    /// Finds the daemon of this host, or brings a pair.
    pub(super) async fn enter(context: &'c Context) -> Result<Self, Failure> {
        let (client, template) = (context.client()?, context.template()?);
        let mut house = Self { context, client, template, pair: None };
        house.settle(None).await?;
        if let Some(pair) = &house.pair {
            pair.notes.iter().for_each(|note| context.output.note(note));
        }
        Ok(house)
    }

    /// The daemon.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// How public URLs are made here.
    pub(super) const fn template(&self) -> &UrlTemplate {
        &self.template
    }

    /// The daemon is gone: finds the next, or becomes it, on the public port that links have.
    pub(super) async fn settle_again(&mut self) -> Result<(), Failure> {
        if let Some(pair) = self.pair.take() {
            pair.stop(DRAIN).await;
        }
        let port = self.template.public_port().map(preview_core::ports::Port::get);
        self.settle(port).await
    }

    /// Whether the pair is in this process.
    pub(super) const fn is_own(&self) -> bool {
        self.pair.is_some()
    }

    /// Takes the pair along, if it is ours.
    pub(super) async fn leave(self) {
        if let Some(pair) = self.pair {
            pair.stop(DRAIN).await;
        }
    }

    async fn settle(&mut self, port: Option<u16>) -> Result<(), Failure> {
        let end = Instant::now() + AGREEING;
        loop {
            let failure = match self.client.health().await {
                Ok(_) => {
                    self.template = self.context.running_template()?;
                    return Ok(());
                }
                Err(failure) if failure.is(Code::DaemonUnreachable) => failure,
                Err(failure) => return Err(failure),
            };
            match Pair::start(self.context, &Plan { domain: None, port }).await {
                Ok(pair) => {
                    self.template = pair.template.clone();
                    self.client = Client::at_socket(pair.socket());
                    self.pair = Some(pair);
                    return Ok(());
                }
                // Somebody else was faster, and answers soon.
                Err(start) if start.is(Code::StateInUse) && Instant::now() < end => sleep(AGAIN).await,
                // The run before still holds what it is about to let go.
                Err(_) if port.is_some() && Instant::now() < end => sleep(AGAIN).await,
                Err(start) if start.is(Code::StateInUse) => return Err(failure),
                Err(start) => return Err(start),
            }
        }
    }
}
