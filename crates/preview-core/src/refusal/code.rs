//! The codes that API, CLI, pages and docs share (one list: `docs/contract.md` §8).

use std::fmt;
use std::str::FromStr;

macro_rules! codes {
    ($($variant:ident $text:literal $status:literal $cause:literal $cure:literal;)+) => {
        /// A stable code of a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`.")] $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The HTTP status it comes with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self { $(Self::$variant => $cause,)+ }
            }

            /// What to do next.
            #[must_use]
            pub const fn cure(self) -> &'static str {
                match self { $(Self::$variant => $cure,)+ }
            }
        }
    };
}

codes! {
    NameInvalid "name_invalid" 400
        "The attachment's name is empty, too long, or has a character that no name may have."
        "Use 1 to 64 printable characters other than /.";
    SessionInvalid "session_invalid" 400
        "A session_id, user_id or app_id is empty, too long, or has a character outside A-Z a-z 0-9 . _ : @ -."
        "Use 1 to 128 characters of A-Z a-z 0-9 . _ : @ -.";
    TemplateInvalid "template_invalid" 400
        "The public_url_template cannot be used: the message shows the place."
        "Use a template such as https://{id}.preview.example.com.";
    ConfigInvalid "config_invalid" 400
        "A key of the configuration is unknown, has the wrong type or an impossible value."
        "Run `preview config check`: it shows file, line, key and what is allowed.";
    RequestInvalid "request_invalid" 400
        "The request lacks a field, or has one of the wrong type or value."
        "The message names the field and what is allowed.";
    Unauthorized "unauthorized" 401
        "There is no key, token, grant or login with the request, or it is not a known one."
        "Open the link with its token again, log in where previews are behind a login, or send the bearer key.";
    GrantExpired "grant_expired" 401
        "The browser was let in before, but its grant has ended."
        "Ask for a fresh link and open it.";
    Forbidden "forbidden" 403
        "The session or user is not yours, or the operator does not allow it."
        "Act for a session and user that your key covers.";
    OriginRefused "origin_refused" 403
        "A page of another origin made the request."
        "Call from the allowed origin, or add it to api.origins (API) or access.app_origins (previews).";
    PortRefused "port_refused" 403
        "The port may not be attached: outside ports.allow, denied, or the service's own."
        "Start the dev server on a port of ports.allow.";
    PortNotYours "port_not_yours" 403
        "The listener belongs to a task of another session, or another user's attachment holds it."
        "Start a dev server of your own on another port.";
    NotFound "not_found" 404
        "There is no such attachment, task or session, or you may not know of it."
        "List what there is: `preview ls`, GET /v1/attachments.";
    HostTaken "host_taken" 409
        "Another live attachment has the host name that this one would get."
        "Choose another port or name, or use a template with {id}.";
    PortOwnerChanged "port_owner_changed" 409
        "Another program or user listens on the port now than when it was attached."
        "Attach the port again if the new listener is yours.";
    StateInUse "state_in_use" 409
        "Another process of the service uses the same state folder."
        "Stop it, or give this one a state_dir of its own.";
    PortNotListening "port_not_listening" 422
        "Nothing was listening on the port within the time waited."
        "Start the dev server first, or raise wait_seconds (at most 120).";
    TaskDead "task_dead" 422
        "The task that should listen has ended."
        "Read its last lines, mend the command, start it again.";
    LimitSession "limit_session" 429
        "The session has as many attachments as it may have."
        "Detach one that is not needed: `preview detach NAME`.";
    LimitUser "limit_user" 429
        "The user has as many attachments as they may have over all sessions."
        "Detach one that is not needed: `preview ls`, `preview detach NAME`.";
    LimitShares "limit_shares" 429
        "The attachment has as many links for others as it may have."
        "Withdraw one that is not needed: `preview share NAME --list`, `preview share NAME --withdraw N`.";
    RateLimited "rate_limited" 429
        "Too many requests came in too short a time."
        "Wait as long as Retry-After says.";
    UpstreamDown "upstream_down" 502
        "Nothing is attached there, nothing listens, or you are not let in."
        "Start and attach the dev server, then open its link: `preview route URL` says which it is.";
    UpstreamNotHttp "upstream_not_http" 502
        "The listener answered with something that is not HTTP."
        "Attach the port on which the dev server serves pages.";
    Disabled "disabled" 503
        "New attachments are switched off by web_preview.enabled: false."
        "Ask the operator to switch them on.";
    StoreReadonly "store_readonly" 503
        "The state folder cannot be written."
        "Check owner, mode and mount of state_dir.";
    StoreCorrupt "store_corrupt" 503
        "The stored state is damaged and no good copy of it was found."
        "Restore state_dir from a backup, or move it away to start empty.";
    DaemonUnreachable "daemon_unreachable" 503
        "The daemon does not answer."
        "Start it: preview-daemon, `preview up` or `systemctl start preview-daemon`.";
    LoginUnreachable "login_unreachable" 503
        "The endpoint that says who is let in does not answer, or not as it should: nobody is let in meanwhile."
        "See that the endpoint of access.forward_url runs and answers 2xx, 401, 403 or a redirect; the edge's log says what it got.";
    CertTxtNotSeen "cert_txt_not_seen" 503
        "A name server does not show the challenge's TXT record that was written."
        "See which name server the message names: does it serve this zone, is it notified of changes?";
    CertTxtMismatch "cert_txt_mismatch" 503
        "The authority found another TXT value than the one that was written."
        "Look for another ACME client that works on the same name.";
    CertTxtTooMany "cert_txt_too_many" 503
        "Too many TXT records stand at the challenge's name: the answer no longer fits."
        "Run `preview certs clean`, and remove by hand what others have left there.";
    CertTsigRejected "cert_tsig_rejected" 503
        "The name server does not accept the TSIG key."
        "Compare name, algorithm and secret with the server's key statement.";
    CertZoneOrClock "cert_zone_or_clock" 503
        "The name server is not in charge of the zone, or its clock and ours differ by minutes."
        "Set edge.acme.zone to the name that has the SOA record, and check the clocks (NTP).";
    CertUpdateRefused "cert_update_refused" 503
        "The name server refuses the update: its policy does not grant it."
        "Add a grant for the key and the challenge's name to the zone's update-policy.";
    CertDnsUnreachable "cert_dns_unreachable" 503
        "A name server does not answer."
        "Check its address, and that UDP and TCP port 53 are open to it; if a firewall lets only resolvers through, set edge.acme.propagation.check to resolver.";
    CertDelegationMissing "cert_delegation_missing" 503
        "The parent zone does not delegate the challenge's zone to this edge."
        "Set the NS record that `preview certs plan` prints.";
    CertDnssecBroken "cert_dnssec_broken" 503
        "Resolvers that validate DNSSEC refuse the zone."
        "Remove the stale DS record at the parent zone, or sign the zone again.";
    CertChallengeCaptured "cert_challenge_captured" 503
        "A wildcard CNAME answers for _acme-challenge."
        "Set an explicit record at _acme-challenge: `preview certs plan` prints it.";
    CertNsDisagree "cert_ns_disagree" 503
        "The zone's name servers disagree: one of them is behind."
        "See that the primary notifies it (NOTIFY) and that it may transfer the zone.";
    CertProviderRefused "cert_provider_refused" 503
        "The DNS provider refuses the change."
        "See that the token may edit DNS of this zone, and that edge.acme.zone is the zone's name there.";
    CertCredentialsInvalid "cert_credentials_invalid" 503
        "A file of credentials cannot be read, or lacks what the solver needs."
        "The message names the file and what it must hold.";
    CertHookFailed "cert_hook_failed" 503
        "The solver's program or HTTP endpoint failed."
        "Run it by hand with the arguments in the message; its last output is quoted.";
    CertDnsBind "cert_dns_bind" 503
        "The built-in DNS server cannot listen: another program holds the port."
        "Give edge.acme.dns.listen the public address instead of 0.0.0.0, or stop the other program.";
    CertCaTimeout "cert_ca_timeout" 503
        "The certificate authority does not answer."
        "Check that outbound connections to its port 443 are possible; the present certificate stays.";
    CertCaUnavailable "cert_ca_unavailable" 503
        "The certificate authority, or a proxy before it, answers with an error of its own."
        "Wait, it is tried again; if it stays, see the authority's status page.";
    CertCaRefused "cert_ca_refused" 503
        "The certificate authority refuses the request, for the reason in the message."
        "Read its reason; `preview certs check` looks for what can be found from here.";
    CertRateLimited "cert_rate_limited" 503
        "A rate limit of the certificate authority, or the edge's own budget, is reached."
        "Wait until the time in the message; ordering anew would only prolong it.";
    CertPaused "cert_paused" 503
        "The certificate authority has paused this name after many failures."
        "Mend the cause, then open the link in the message to lift the pause.";
    CertBadNonce "cert_bad_nonce" 503
        "The certificate authority refused several nonces in a row."
        "Nothing: it is tried again.";
    CertNameForbidden "cert_name_forbidden" 503
        "The certificate authority issues nothing for this name by its policy."
        "Use another authority (edge.acme.directory) or another domain.";
    CertEabRequired "cert_eab_required" 503
        "The certificate authority wants an external account binding."
        "Get a key pair from it and set edge.acme.eab.kid and edge.acme.eab.hmac_file.";
    CertEabInvalid "cert_eab_invalid" 503
        "The certificate authority does not accept the external account binding."
        "Get a new key pair from it: some end after seven days, or at their first use.";
    CertTosNotAccepted "cert_tos_not_accepted" 503
        "The certificate authority's terms of service have not been accepted."
        "Read them, then set edge.acme.accept_tos to true.";
    CertContactInvalid "cert_contact_invalid" 503
        "The certificate authority does not accept the contact."
        "Write edge.acme.contact as mailto:you@example.com.";
    CertAccountLost "cert_account_lost" 503
        "The certificate authority does not know the account any more; a new one is made."
        "If a CAA record names the account (accounturi), put the new one into it.";
    CertAriUnavailable "cert_ari_unavailable" 503
        "The certificate authority does not say when to renew."
        "Nothing: the certificate's lifetime decides.";
    CertOrderExpired "cert_order_expired" 503
        "The order is no longer valid at the certificate authority."
        "Nothing: it is ordered anew.";
    CertStateUnwritable "cert_state_unwritable" 503
        "The edge's state folder cannot be written; a new certificate is served from memory."
        "Free space on its disk, or mend its owner, mode or mount.";
    CertBadCertificate "cert_bad_certificate" 503
        "The authority's certificate is not the one ordered: key, names or dates are wrong."
        "Nothing: the old one stays and it is ordered anew; if it recurs, tell the authority.";
    CertEphemeralState "cert_ephemeral_state" 503
        "The edge's state folder does not outlive a restart, so nothing is ordered."
        "Mount a volume at edge.state_dir, or set edge.acme.allow_ephemeral_state.";
    CertCaaForbids "cert_caa_forbids" 503
        "A CAA record forbids this authority to issue for the name."
        "Publish the CAA record that the message prints, or remove the one that forbids.";
    CertProfileUnknown "cert_profile_unknown" 503
        "The certificate authority has no such profile."
        "Set edge.acme.profile to one that the message lists, or to auto.";
    CertClockWrong "cert_clock_wrong" 503
        "This machine's clock is far from the certificate authority's."
        "Set the clock (NTP); nothing is ordered until then.";
    CertPending "cert_pending" 503
        "There is no certificate yet; the first one is being obtained."
        "Wait; `preview certs list` shows how far it is and what is in the way.";
    CertPairInvalid "cert_pair_invalid" 503
        "A certificate file or its key, which somebody else renews, cannot be used; the last good pair stays."
        "Look at the file in the message; a renewal puts a fitting pair there, key closed to others (chmod 600).";
    CertExpiring "cert_expiring" 503
        "The certificate is near its end and has not been renewed."
        "See why its renewal does not happen: certbot's timer, the secret's issuer, or `preview certs list`.";
    CertExpired "cert_expired" 503
        "The certificate's time is over; it is still shown, and browsers refuse it."
        "Renew it now: `preview certs renew`, or whatever fills edge.tls.folder.";
    UpstreamSlow "upstream_slow" 504
        "The dev server did not accept the connection, or did not begin its answer, in time."
        "Look at its output: `preview logs NAME`.";
    StoreFull "store_full" 507
        "The disk that holds the state folder is full; nothing was changed."
        "Free some space on the disk of state_dir, then try again.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such code")]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(UnknownCode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_guide_has_every_certificate_code_with_its_own_words() {
        let guide = include_str!("../../../../docs/certificates.md");
        for code in Code::ALL.iter().filter(|code| code.as_str().starts_with("cert_")) {
            let line = guide.lines().find(|line| line.starts_with(&format!("| `{code}` | {}", code.cause())));
            let line = line.unwrap_or_else(|| panic!("{code} is not in docs/certificates.md §5"));
            assert!(line.ends_with(&format!("| {} |", code.cure())), "{line}");
        }
    }
}
