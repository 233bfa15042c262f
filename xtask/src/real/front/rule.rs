//! What is done to which request.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::{Answer, Request, Resource};

/// Which of the requests for a resource are meant, counted from the rule's making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// The n-th, from 1.
    Nth(usize),
    /// The first so many.
    First(usize),
}

/// What a test does while a request waits.
pub type Run = Box<dyn FnMut() + Send>;
/// What a test answers.
pub type Play = Box<dyn FnMut(&Request) -> Answer + Send>;
/// What a test makes of an answer.
pub type Change = Box<dyn FnMut(&Request, &mut Answer) + Send>;

/// What is done to a request.
pub enum Act {
    /// It is answered here, and Pebble does not hear of it.
    Answer(Answer),
    /// The same, with an answer made for the request.
    Play(Play),
    /// It gets no answer.
    Hang,
    /// This runs, the connection ends, and Pebble does not hear of it.
    Cut(Run),
    /// This runs before Pebble hears of it.
    Before(Run),
    /// This runs when Pebble has answered, and the client does not know yet.
    After(Run),
    /// Pebble's answer passes through this.
    Rewrite(Change),
}

#[derive(Debug)]
pub(super) struct Rule {
    resource: Resource,
    when: When,
    seen: usize,
    act: Arc<Mutex<Act>>,
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer",
            Self::Play(_) => "Play",
            Self::Hang => "Hang",
            Self::Cut(_) => "Cut",
            Self::Before(_) => "Before",
            Self::After(_) => "After",
            Self::Rewrite(_) => "Rewrite",
        })
    }
}

impl Rule {
    pub(super) fn new(resource: Resource, when: When, act: Act) -> Self {
        Self { resource, when, seen: 0, act: Arc::new(Mutex::new(act)) }
    }

    /// What to do to `request`, if it is meant.
    pub(super) fn fires(&mut self, request: &Request) -> Option<Arc<Mutex<Act>>> {
        if self.resource != Resource::Any && self.resource != request.resource {
            return None;
        }
        self.seen += 1;
        let fires = match self.when {
            When::Always => true,
            When::Nth(number) => self.seen == number,
            When::First(count) => self.seen <= count,
        };
        fires.then(|| Arc::clone(&self.act))
    }
}
