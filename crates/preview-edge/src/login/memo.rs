//! What the endpoint said lately: a page of eight hundred modules asks it once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared};

use super::Verdict;

/// Of whom a verdict is: a digest.
pub(super) type Key = [u8; 32];

/// Verdicts that one thread remembers at most. More people than that at once ask more often.
const MOST: usize = 10_000;

/// Yeses that hold for a while from when they were asked for, and questions under way, which others wait for too.
pub(super) struct Memo {
    life: Duration,
    slots: Rc<RefCell<HashMap<Key, Slot>>>,
}

struct Slot {
    asked: Duration,
    verdict: Shared<LocalBoxFuture<'static, Rc<Verdict>>>,
}

impl Memo {
    /// One whose yeses hold for `life`; if that is zero, it remembers nothing and lets nobody wait for another.
    pub(super) fn new(life: Duration) -> Self {
        Self { life, slots: Rc::default() }
    }

    /// What was said of `key`, or what `ask` brings.
    pub(super) async fn get(
        &self,
        key: Key,
        now: Duration,
        ask: LocalBoxFuture<'static, Rc<Verdict>>,
    ) -> Rc<Verdict> {
        if self.life.is_zero() {
            return ask.await;
        }
        self.slot(key, now, ask).await
    }

    fn slot(
        &self,
        key: Key,
        now: Duration,
        ask: LocalBoxFuture<'static, Rc<Verdict>>,
    ) -> Shared<LocalBoxFuture<'static, Rc<Verdict>>> {
        let mut slots = self.slots.borrow_mut();
        let is_good = |slot: &Slot| slot.verdict.peek().is_none() || now < slot.asked + self.life;
        if let Some(slot) = slots.get(&key).filter(|slot| is_good(slot)) {
            return slot.verdict.clone();
        }
        if slots.len() >= MOST {
            slots.retain(|_, slot| is_good(slot));
        }
        let verdict = self.remembered(key, now, ask);
        // Whoever asked may hang up; those who wait for the same are answered all the same.
        tokio::task::spawn_local(verdict.clone());
        if slots.len() < MOST {
            slots.insert(key, Slot { asked: now, verdict: verdict.clone() });
        }
        verdict
    }

    /// The question, which forgets itself unless it is answered by a yes.
    fn remembered(
        &self,
        key: Key,
        now: Duration,
        ask: LocalBoxFuture<'static, Rc<Verdict>>,
    ) -> Shared<LocalBoxFuture<'static, Rc<Verdict>>> {
        let slots = Rc::clone(&self.slots);
        let asking = async move {
            let verdict = ask.await;
            if !matches!(*verdict, Verdict::In(_)) {
                let mut slots = slots.borrow_mut();
                if slots.get(&key).is_some_and(|slot| slot.asked == now) {
                    slots.remove(&key);
                }
            }
            verdict
        };
        asking.boxed_local().shared()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::LocalSet;

    use super::super::{Entered, Turned};
    use super::*;

    #[tokio::test]
    async fn a_yes_holds_for_its_life_from_the_question_and_for_its_key_alone() {
        let (memo, asked) = (Memo::new(Duration::from_secs(5)), Rc::new(Cell::new(0)));
        let get = async |key, at, verdict| {
            *memo.get([key; 32], Duration::from_secs(at), ask(&asked, verdict)).await == yes()
        };
        LocalSet::new()
            .run_until(async {
                assert!(get(1, 10, yes()).await);
                assert!(get(1, 14, no()).await && asked.get() == 1, "remembered");
                assert!(!get(2, 14, no()).await, "somebody else");
                assert!(!get(1, 15, no()).await && asked.get() == 3, "asked anew");
            })
            .await;
    }

    #[tokio::test]
    async fn a_no_and_a_silence_are_not_remembered() {
        let (memo, asked) = (Memo::new(Duration::from_secs(5)), Rc::new(Cell::new(0)));
        let get = async |verdict| memo.get([1; 32], Duration::from_secs(1), ask(&asked, verdict)).await;
        LocalSet::new()
            .run_until(async {
                assert_eq!(*get(no()).await, no());
                assert_eq!(*get(Verdict::Silent).await, Verdict::Silent);
                assert_eq!(*get(yes()).await, yes());
            })
            .await;
        assert_eq!((asked.get(), memo.slots.borrow().len()), (3, 1));
    }

    #[tokio::test]
    async fn those_who_ask_the_same_at_once_wait_for_one_answer_even_if_the_first_hangs_up() {
        let (memo, asked) = (Memo::new(Duration::from_secs(5)), Rc::new(Cell::new(0)));
        let slow = || {
            let asking = ask(&asked, yes());
            async move {
                tokio::task::yield_now().await;
                asking.await
            }
            .boxed_local()
        };
        LocalSet::new()
            .run_until(async {
                let first = memo.get([1; 32], Duration::ZERO, slow());
                assert!(first.now_or_never().is_none(), "under way, and given up");
                let wait = || memo.get([1; 32], Duration::from_secs(1), slow());
                let (second, third) = tokio::join!(wait(), wait());
                assert_eq!((&*second, &*third), (&yes(), &yes()));
            })
            .await;
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test]
    async fn with_no_life_everybody_asks() {
        let (memo, asked) = (Memo::new(Duration::ZERO), Rc::new(Cell::new(0)));
        for _ in 0..2 {
            memo.get([1; 32], Duration::ZERO, ask(&asked, yes())).await;
        }
        assert_eq!((asked.get(), memo.slots.borrow().len()), (2, 0));
    }

    #[tokio::test]
    async fn it_does_not_grow_without_end() {
        let (memo, asked) = (Memo::new(Duration::from_secs(5)), Rc::new(Cell::new(0)));
        LocalSet::new()
            .run_until(async {
                for n in 0..MOST + 10 {
                    let mut key = [0; 32];
                    key[..8].copy_from_slice(&n.to_be_bytes());
                    memo.get(key, Duration::from_secs(1), ask(&asked, yes())).await;
                }
                assert_eq!(memo.slots.borrow().len(), MOST);
                memo.get([9; 32], Duration::from_secs(7), ask(&asked, yes())).await;
                assert_eq!(memo.slots.borrow().len(), 1, "what no longer holds makes room");
            })
            .await;
    }

    fn ask(asked: &Rc<Cell<usize>>, verdict: Verdict) -> LocalBoxFuture<'static, Rc<Verdict>> {
        let asked = Rc::clone(asked);
        async move {
            asked.set(asked.get() + 1);
            Rc::new(verdict)
        }
        .boxed_local()
    }

    fn yes() -> Verdict {
        Verdict::In(Entered::default())
    }

    fn no() -> Verdict {
        Verdict::Out(Turned::default())
    }
}
