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

/// What is done to a request.
pub enum Act {
    /// It is answered here, and Pebble does not hear of it.
    Answer(Answer),
    /// It gets no answer.
    Hang,
    /// This runs before Pebble hears of it.
    Before(Box<dyn FnMut() + Send>),
    /// This runs when Pebble has answered, and the client does not know yet.
    After(Box<dyn FnMut() + Send>),
    /// Pebble's answer passes through this.
    Rewrite(Box<dyn FnMut(&mut Answer) + Send>),
}

#[derive(Debug)]
pub(super) struct Rule {
    resource: Resource,
    when: When,
    seen: usize,
    act: Arc<Mutex<Act>>,
}

/// An act as the proxy needs it.
pub(super) enum Stage<'a> {
    Instead(Answer),
    Hang,
    Before(&'a mut (dyn FnMut() + Send)),
    After(&'a mut (dyn FnMut() + Send)),
    Rewrite(&'a mut (dyn FnMut(&mut Answer) + Send)),
}

impl Act {
    pub(super) fn stage(&mut self) -> Stage<'_> {
        match self {
            Self::Answer(answer) => Stage::Instead(answer.clone()),
            Self::Hang => Stage::Hang,
            Self::Before(run) => Stage::Before(run),
            Self::After(run) => Stage::After(run),
            Self::Rewrite(change) => Stage::Rewrite(change),
        }
    }
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer",
            Self::Hang => "Hang",
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
