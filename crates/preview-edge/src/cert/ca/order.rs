//! One order at an authority: its authorizations, and the certificate at its end.

use std::time::Duration;

use instant_acme::{
    AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType, Error, Identifier, NewOrder,
    OrderStatus,
};
use tokio::time::{Instant, sleep};

use super::{Ca, Terms, problem};
use crate::cert::Failure;
use crate::cert::challenge::challenge_of;

/// How much longer than the first wait the waits between two looks may grow.
const SLOWEST: u32 = 5;

/// An order.
pub(crate) struct Order {
    at: instant_acme::Order,
    terms: Terms,
    deadline: Instant,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Names are to be proved.
    Pending,
    /// All are; it waits for the request of a certificate.
    Ready,
    /// The certificate is being made, or is there.
    Issued,
    /// It is over.
    Invalid,
}

/// What proves one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The domain, without `*.`.
    pub(crate) domain: String,
    /// The challenge's token.
    pub(crate) token: String,
    /// It with the thumbprint of the account's key.
    pub(crate) key_authorization: String,
    /// The value of the TXT record.
    pub(crate) value: String,
}

impl Proof {
    /// Where the record belongs.
    pub(crate) fn fqdn(&self) -> String {
        challenge_of(&self.domain)
    }
}

impl Ca {
    /// Orders a certificate for the names, as one that `replaces` another where that is given (RFC 9773 §5). An
    /// authority that does not take that is asked once more without.
    pub(crate) async fn order(
        &self,
        replaces: Option<&CertificateIdentifier<'static>>,
    ) -> Result<Order, Failure> {
        let replaces = replaces.filter(|_| self.terms.takes_replaces);
        let made = match self.place(replaces).await {
            // `alreadyReplaced`, `conflict`, `malformed`, an answer that does not repeat it: the order itself may be
            // in order, and identical pending orders are one to an authority that matters.
            Err(Failure::CaRefused { kind, detail }) if replaces.is_some() => {
                tracing::info!(kind, detail, "ordered anew without naming the certificate that is replaced");
                self.place(None).await
            }
            made => made,
        };
        Ok(self.follow(made?))
    }

    /// The order that an earlier attempt has made.
    ///
    /// # Errors
    /// [`Failure::OrderExpired`] if the authority does not know it any more.
    pub(crate) async fn resume(&self, url: &str) -> Result<Order, Failure> {
        let found = patiently!(self.deadline, self.account.order(url.to_owned()).await);
        let found = found.map_err(|error| match problem::explain(error, &self.terms) {
            Failure::CaRefused { kind, detail } => Failure::OrderExpired(format!("{kind}: {detail}")),
            Failure::CaUnavailable { status: 404, .. } => Failure::OrderExpired("it is not found".to_owned()),
            failure => failure,
        });
        Ok(self.follow(found?))
    }

    async fn place(
        &self,
        replaces: Option<&CertificateIdentifier<'static>>,
    ) -> Result<instant_acme::Order, Failure> {
        let identifiers: Vec<_> = self.terms.names.iter().cloned().map(Identifier::Dns).collect();
        let mut new = NewOrder::new(&identifiers);
        if let Some(profile) = &self.terms.profile {
            new = new.profile(profile);
        }
        if let Some(replaces) = replaces {
            new = new.replaces(replaces.clone());
        }
        let placed = patiently!(self.deadline, self.account.new_order(&new).await);
        placed.map_err(|error| match problem::explain(error, &self.terms) {
            // What it says to an account that it has closed (RFC 8555 §7.3.6).
            Failure::CaRefused { kind, .. } if kind == "unauthorized" => Failure::AccountLost,
            failure => failure,
        })
    }

    fn follow(&self, order: instant_acme::Order) -> Order {
        Order { at: order, terms: self.terms.clone(), deadline: self.deadline }
    }
}

impl Order {
    pub(crate) fn url(&self) -> &str {
        self.at.url()
    }

    /// Where it stood when the authority was last asked.
    pub(crate) fn stage(&mut self) -> Stage {
        match self.at.state().status {
            OrderStatus::Pending => Stage::Pending,
            OrderStatus::Ready => Stage::Ready,
            OrderStatus::Processing | OrderStatus::Valid => Stage::Issued,
            OrderStatus::Invalid => Stage::Invalid,
        }
    }

    /// The proofs that are still to be given.
    pub(crate) async fn pending(&mut self) -> Result<Vec<Proof>, Failure> {
        let Self { at, terms, deadline } = self;
        patiently!(*deadline, pending(at).await).map_err(|error| problem::explain(error, terms))
    }

    /// Tells the authority that the record of `proof` can be looked for.
    pub(crate) async fn set_ready(&mut self, proof: &Proof) -> Result<(), Failure> {
        let Self { at, terms, deadline } = self;
        patiently!(*deadline, set_ready(at, proof).await).map_err(|error| match error {
            Error::Api(refused) => problem::of_challenge(&refused, &proof.fqdn(), &proof.domain, terms),
            error => problem::explain(error, terms),
        })
    }

    /// Waits until the authority is convinced of all names.
    ///
    /// # Errors
    /// Why it is not; the challenge knows that better than the order.
    pub(crate) async fn validated(&mut self, poll: Duration) -> Result<(), Failure> {
        let mut waits = Waits::new(poll);
        loop {
            match self.refresh().await? {
                Stage::Ready | Stage::Issued => return Ok(()),
                Stage::Invalid => return Err(self.reason().await),
                Stage::Pending => self.wait(&mut waits, "it has not looked at the records").await?,
            }
        }
    }

    /// Asks for the certificate with a signing request (RFC 2986, DER).
    pub(crate) async fn finalize(&mut self, csr: &[u8]) -> Result<(), Failure> {
        let Self { at, terms, deadline } = self;
        let asked = patiently!(*deadline, at.finalize_csr(csr).await);
        asked.map_err(|error| problem::explain(error, terms))
    }

    /// Waits for the certificate: the chain, in PEM.
    pub(crate) async fn certificate(&mut self, poll: Duration) -> Result<String, Failure> {
        let mut waits = Waits::new(poll);
        loop {
            if self.stage() == Stage::Invalid {
                return Err(self.reason().await);
            }
            let Self { at, terms, deadline } = self;
            if at.state().status == OrderStatus::Valid {
                let chain = patiently!(*deadline, at.certificate().await);
                let chain = chain.map_err(|error| problem::explain(error, terms))?;
                return chain.ok_or_else(|| Failure::BadCertificate("there is none".to_owned()));
            }
            self.wait(&mut waits, "it has not made the certificate").await?;
            self.refresh().await?;
        }
    }

    /// Why an order is invalid.
    pub(crate) async fn reason(&mut self) -> Failure {
        let Self { at, terms, deadline } = self;
        let verdict = patiently!(*deadline, verdict(at, terms).await);
        let verdict = verdict.unwrap_or_else(|error| {
            tracing::debug!(%error, "the authorizations of an invalid order cannot be looked at");
            None
        });
        let of_order = || at.state().error.as_ref().map(|error| problem::refusal(error, terms));
        verdict
            .or_else(of_order)
            .unwrap_or_else(|| Failure::OrderExpired("the authority ended it".to_owned()))
    }

    async fn refresh(&mut self) -> Result<Stage, Failure> {
        let Self { at, terms, deadline } = self;
        let refreshed = patiently!(*deadline, at.refresh().await.map(drop));
        refreshed.map_err(|error| problem::explain(error, terms))?;
        Ok(self.stage())
    }

    async fn wait(&self, waits: &mut Waits, late: &str) -> Result<(), Failure> {
        if Instant::now() >= self.deadline {
            let url = self.at.url().to_owned();
            return Err(Failure::CaTimeout { url, reason: format!("{late} in the time of an attempt") });
        }
        sleep(waits.next()).await;
        Ok(())
    }
}

async fn pending(order: &mut instant_acme::Order) -> Result<Vec<Proof>, Error> {
    let mut proofs = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let domain = domain(authorization.identifier().identifier);
        let challenge = authorization.challenge(ChallengeType::Dns01);
        let challenge = challenge.ok_or(Error::Str("a challenge of type dns-01"))?;
        let key_authorization = challenge.key_authorization();
        proofs.push(Proof {
            domain,
            token: challenge.token.clone(),
            value: key_authorization.dns_value(),
            key_authorization: key_authorization.as_str().to_owned(),
        });
    }
    Ok(proofs)
}

async fn set_ready(order: &mut instant_acme::Order, proof: &Proof) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if let Some(mut challenge) = authorization.challenge(ChallengeType::Dns01)
            && challenge.token == proof.token
            && challenge.status == ChallengeStatus::Pending
        {
            return challenge.set_ready().await;
        }
    }
    Ok(())
}

/// What the challenge that failed says.
async fn verdict(order: &mut instant_acme::Order, terms: &Terms) -> Result<Option<Failure>, Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        // What was fetched before may be of a time before the failure.
        let mut authorization = authorization?;
        let state = authorization.refresh().await?;
        let domain = domain(state.identifier().identifier);
        if let Some(error) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
            return Ok(Some(problem::of_challenge(error, &challenge_of(&domain), &domain, terms)));
        }
    }
    Ok(None)
}

/// Waits that grow, to spare an authority that takes its time.
struct Waits {
    next: Duration,
    most: Duration,
}

impl Waits {
    fn new(first: Duration) -> Self {
        Self { next: first, most: first * SLOWEST }
    }

    fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 3 / 2).min(self.most);
        wait
    }
}

fn domain(identifier: &Identifier) -> String {
    identifier.authorized(false).to_string().to_ascii_lowercase()
}
