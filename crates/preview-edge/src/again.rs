//! Work that must not end because of a fault of ours.

use std::time::Duration;

/// Begins `work` anew, after a rest, whenever it panics; ends when the work does, or with its runtime.
pub(crate) async fn again<F: Future<Output = ()> + Send + 'static>(
    what: &'static str,
    rest: Duration,
    mut work: impl FnMut() -> F,
) {
    while let Err(error) = tokio::spawn(work()).await {
        if !error.is_panic() {
            return;
        }
        tracing::error!(%error, what, "a panic broke this off, it begins anew");
        tokio::time::sleep(rest).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_panics_begins_anew_until_it_ends_by_itself() {
        let begun = Arc::new(AtomicU32::new(0));
        let work = || {
            let begun = Arc::clone(&begun);
            async move { assert!(begun.fetch_add(1, Ordering::Relaxed) == 2, "not yet") }
        };
        again("a test", Duration::ZERO, work).await;
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }
}
