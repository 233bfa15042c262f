//! A task's output, piece by piece, across daemons: what was had already does not come again.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::client::Client;
use crate::failure::Failure;

/// Bytes of output that a daemon keeps at least. What came before cannot be told from what comes.
const KEPT: u64 = 8 << 20;

#[derive(Debug, Default)]
pub(super) struct Stream {
    body: Option<Incoming>,
    had: u64,
    skip: u64,
}

impl Stream {
    /// Follows the output from where it was left.
    pub(super) async fn open(&mut self, client: &Client, task: &str) -> Result<(), Failure> {
        self.skip = if self.had > KEPT { length(client, task).await? } else { self.had };
        self.body = Some(client.task_logs(task, true).await?);
        Ok(())
    }

    /// The next piece; `None` when nothing comes any more.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let body = self.body.as_mut()?;
        loop {
            let Some(Ok(frame)) = body.frame().await else {
                self.body = None;
                return None;
            };
            let Ok(mut bytes) = frame.into_data() else { continue };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= skipped as u64;
            let bytes = bytes.split_off(skipped);
            if !bytes.is_empty() {
                self.had += bytes.len() as u64;
                return Some(bytes);
            }
        }
    }
}

async fn length(client: &Client, task: &str) -> Result<u64, Failure> {
    let (mut body, mut length) = (client.task_logs(task, false).await?, 0);
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
    }
    Ok(length)
}
