//! How `preview` ends: one number for each kind of end, the same for every subcommand.

use std::process::ExitCode;

use preview_core::refusal::Code;

/// An exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(u8);

impl Exit {
    /// What was asked for is done.
    pub const OK: Self = Self(0);
    /// It failed, and none of the others says why.
    pub const FAILED: Self = Self(1);
    /// The command line, the configuration or a value in them is wrong.
    pub const USAGE: Self = Self(2);
    /// There is no such attachment, task or session.
    pub const NOT_FOUND: Self = Self(3);
    /// It is not allowed.
    pub const NOT_ALLOWED: Self = Self(4);
    /// A limit is reached, or something else is in the way.
    pub const CONFLICT: Self = Self(5);
    /// The daemon does not answer.
    pub const UNREACHABLE: Self = Self(7);
    /// Ctrl-C, or another signal that ends.
    pub const INTERRUPTED: Self = Self(130);

    /// The exit of a command that `preview run` ran: its own code.
    #[must_use]
    pub fn of_command(code: i32) -> Self {
        u8::try_from(code).map_or(Self::FAILED, Self)
    }

    /// The exit that a code of the API stands for.
    #[must_use]
    pub const fn of_code(code: Code) -> Self {
        match code {
            Code::NameInvalid
            | Code::SessionInvalid
            | Code::TemplateInvalid
            | Code::ConfigInvalid
            | Code::RequestInvalid
            | Code::CertCredentialsInvalid
            | Code::CertTosNotAccepted
            | Code::CertContactInvalid
            | Code::CertProfileUnknown
            | Code::CertEabRequired => Self::USAGE,
            Code::NotFound => Self::NOT_FOUND,
            Code::Unauthorized
            | Code::GrantExpired
            | Code::Forbidden
            | Code::OriginRefused
            | Code::PortRefused
            | Code::PortNotYours => Self::NOT_ALLOWED,
            Code::HostTaken
            | Code::PortOwnerChanged
            | Code::StateInUse
            | Code::LimitSession
            | Code::LimitUser
            | Code::LimitShares
            | Code::RateLimited
            | Code::CertRateLimited
            | Code::CertPaused
            | Code::CertDnsBind => Self::CONFLICT,
            Code::DaemonUnreachable => Self::UNREACHABLE,
            Code::PortNotListening
            | Code::TaskDead
            | Code::UpstreamDown
            | Code::UpstreamNotHttp
            | Code::Disabled
            | Code::StoreReadonly
            | Code::StoreCorrupt
            | Code::UpstreamSlow
            | Code::LoginUnreachable
            | Code::StoreFull
            | Code::CertTxtNotSeen
            | Code::CertTxtMismatch
            | Code::CertTxtTooMany
            | Code::CertTsigRejected
            | Code::CertZoneOrClock
            | Code::CertUpdateRefused
            | Code::CertDnsUnreachable
            | Code::CertDelegationMissing
            | Code::CertDnssecBroken
            | Code::CertChallengeCaptured
            | Code::CertNsDisagree
            | Code::CertProviderRefused
            | Code::CertHookFailed
            | Code::CertCaTimeout
            | Code::CertCaUnavailable
            | Code::CertCaRefused
            | Code::CertBadNonce
            | Code::CertNameForbidden
            | Code::CertEabInvalid
            | Code::CertAccountLost
            | Code::CertAriUnavailable
            | Code::CertOrderExpired
            | Code::CertStateUnwritable
            | Code::CertBadCertificate
            | Code::CertEphemeralState
            | Code::CertCaaForbids
            | Code::CertClockWrong
            | Code::CertPending
            | Code::CertPairInvalid
            | Code::CertExpiring
            | Code::CertExpired => Self::FAILED,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}
