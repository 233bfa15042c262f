//! Which host policy suits a server that was asked under both names.
//!
//! | public name | localhost | policy |
//! |---|---|---|
//! | refused (400, 403, 421, no HTTP) | anything else | `loopback`: it refuses its public name |
//! | below 400 | anything | `preserve`, unless its live updates need `localhost` |
//! | another error | below 400 | `loopback` |
//! | another error | refused | `preserve` |
//! | another error, its own (4xx) | the same | `preserve`: the name makes no difference |
//! | anything else | | `loopback`: it answers neither well |

use preview_core::verdict::{HostPolicy, PolicyReason};

use super::exchange::{Answer, Upgraded};

/// How one name was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Well,
    /// As a name that it will not serve.
    Refused,
    /// With another error.
    Error(u16),
}

/// The policy that suits these answers.
pub(crate) fn choose(public: &Answer, local: &Answer) -> (HostPolicy, PolicyReason) {
    match (taken(public), taken(local)) {
        (Taken::Well, _) | (Taken::Error(_), Taken::Refused) => {
            (HostPolicy::Preserve, PolicyReason::AcceptsPublicHost)
        }
        (Taken::Refused, Taken::Well | Taken::Error(_)) | (Taken::Error(_), Taken::Well) => {
            (HostPolicy::Loopback, PolicyReason::RefusesPublicHost)
        }
        (Taken::Error(a), Taken::Error(b)) if a == b && a < 500 => {
            (HostPolicy::Preserve, PolicyReason::AcceptsPublicHost)
        }
        (Taken::Refused, Taken::Refused) | (Taken::Error(_), Taken::Error(_)) => {
            (HostPolicy::Loopback, PolicyReason::AcceptsNeither)
        }
    }
}

/// Whether pages that are served under both names come to life only under `localhost`.
pub(crate) const fn needs_loopback(public: Upgraded, local: Upgraded) -> bool {
    matches!(local, Upgraded::Status(101)) && !matches!(public, Upgraded::Status(101))
}

const fn taken(answer: &Answer) -> Taken {
    match answer {
        Answer::Http(page) => match page.status {
            400 | 403 | 421 => Taken::Refused,
            good if good < 400 => Taken::Well,
            other => Taken::Error(other),
        },
        Answer::NotHttp | Answer::Closed | Answer::Refused => Taken::Refused,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;

    use super::super::exchange::Page;
    use super::*;

    const LOOPBACK: (HostPolicy, PolicyReason) = (HostPolicy::Loopback, PolicyReason::RefusesPublicHost);
    const PRESERVE: (HostPolicy, PolicyReason) = (HostPolicy::Preserve, PolicyReason::AcceptsPublicHost);
    const NEITHER: (HostPolicy, PolicyReason) = (HostPolicy::Loopback, PolicyReason::AcceptsNeither);

    #[test]
    fn a_server_that_refuses_its_public_name_is_shown_localhost() {
        for refusal in [400, 403, 421] {
            for served in [200, 302, 304, 401, 404, 500] {
                assert_eq!(choose(&http(refusal), &http(served)), LOOPBACK, "{refusal} {served}");
            }
        }
        assert_eq!(choose(&Answer::NotHttp, &http(200)), LOOPBACK);
        assert_eq!(choose(&Answer::Closed, &http(200)), LOOPBACK);
        assert_eq!(choose(&http(404), &http(200)), LOOPBACK);
        assert_eq!(choose(&http(500), &http(200)), LOOPBACK);
    }

    #[test]
    fn a_server_that_takes_both_names_is_shown_its_public_one() {
        for (public, local) in
            [(200, 200), (302, 200), (200, 403), (200, 500), (401, 401), (404, 404), (405, 405)]
        {
            assert_eq!(choose(&http(public), &http(local)), PRESERVE, "{public} {local}");
        }
    }

    #[test]
    fn a_server_that_takes_neither_is_shown_localhost() {
        for (public, local) in [(403, 403), (400, 403), (500, 500), (404, 500)] {
            assert_eq!(choose(&http(public), &http(local)), NEITHER, "{public} {local}");
        }
        assert_eq!(choose(&Answer::NotHttp, &Answer::NotHttp), NEITHER);
    }

    #[test]
    fn only_a_difference_that_localhost_wins_needs_localhost() {
        use Upgraded::{NotHttp, Silent, Status};
        assert!(needs_loopback(NotHttp, Status(101)));
        assert!(needs_loopback(Status(403), Status(101)));
        assert!(needs_loopback(Silent, Status(101)));
        assert!(!needs_loopback(Status(101), Status(101)));
        assert!(!needs_loopback(Status(404), Status(404)));
        assert!(!needs_loopback(Status(101), Silent));
    }

    fn http(status: u16) -> Answer {
        Answer::Http(Page { status, headers: HeaderMap::new(), html: Bytes::new() })
    }
}
