//! Where a challenge's record has to be written: CNAMEs lead there (RFC 8555 §8.4).

use data_encoding::HEXLOWER;
use hickory_proto::rr::{RData, RecordType};

use super::ask::plain;
use super::{Failure, Lookup};

/// How many CNAMEs are followed; authorities follow some ten.
const MOST: usize = 8;

impl Lookup {
    /// The name that the CNAMEs of `fqdn` lead to; itself where it has none.
    ///
    /// # Errors
    /// [`Failure::ChallengeCaptured`] if a wildcard answers in the name's place: then the target is not meant.
    pub(crate) async fn target(&self, fqdn: &str) -> Result<String, Failure> {
        let mut seen = vec![fqdn.to_owned()];
        while let Some(next) = self.cname(&seen[seen.len() - 1]).await? {
            let at = &seen[seen.len() - 1];
            if self.cname(&sibling(at)).await?.as_ref() == Some(&next) {
                return Err(Failure::ChallengeCaptured { fqdn: at.clone(), target: next });
            }
            if seen.contains(&next) || seen.len() > MOST {
                return Err(Failure::DnsUnreachable {
                    server: fqdn.to_owned(),
                    reason: format!(
                        "its CNAMEs lead in a circle, or too far: {} -> {next}",
                        seen.join(" -> ")
                    ),
                });
            }
            seen.push(next);
        }
        Ok(seen.pop().unwrap_or_default())
    }

    async fn cname(&self, name: &str) -> Result<Option<String>, Failure> {
        let answer = self.resolve(name, RecordType::CNAME).await?;
        let mut targets = answer.answers().filter_map(|(owner, data)| match data {
            RData::CNAME(cname) if owner == name => Some(plain(&cname.0)),
            _ => None,
        });
        Ok(targets.next())
    }
}

/// A name beside `name` that nobody has set.
fn sibling(name: &str) -> String {
    let mut random = [0; 8];
    // Without randomness it is still a name that nobody sets.
    let _ = getrandom::fill(&mut random);
    let label = format!("preview-{}", HEXLOWER.encode(&random));
    name.split_once('.').map_or_else(|| label.clone(), |(_, above)| format!("{label}.{above}"))
}
