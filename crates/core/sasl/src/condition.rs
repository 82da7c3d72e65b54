//! Why an authentication failed, in the words of the wire.

/// The conditions of a SASL failure: RFC 6120 §6.5, all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SaslCondition {
    /// The client gave up (§6.5.1).
    Aborted,
    /// The account exists but may not be used (§6.5.2).
    AccountDisabled,
    /// The password has to be changed first (§6.5.3).
    CredentialsExpired,
    /// The mechanism may be used under TLS only (§6.5.4).
    EncryptionRequired,
    /// The client's data is not base64 (§6.5.5).
    IncorrectEncoding,
    /// The client may not act for the identity it asks for (§6.5.6).
    InvalidAuthzid,
    /// The mechanism is not offered (§6.5.7).
    InvalidMechanism,
    /// The client's data does not follow the mechanism (§6.5.8).
    MalformedRequest,
    /// The account asks for a stronger mechanism (§6.5.9).
    MechanismTooWeak,
    /// Wrong password, no such account, or a proof that does not hold (§6.5.10).
    NotAuthorized,
    /// The server cannot tell now; later it may (§6.5.11).
    TemporaryAuthFailure,
}

impl SaslCondition {
    /// Every condition.
    pub const ALL: [Self; 11] = [
        Self::Aborted,
        Self::AccountDisabled,
        Self::CredentialsExpired,
        Self::EncryptionRequired,
        Self::IncorrectEncoding,
        Self::InvalidAuthzid,
        Self::InvalidMechanism,
        Self::MalformedRequest,
        Self::MechanismTooWeak,
        Self::NotAuthorized,
        Self::TemporaryAuthFailure,
    ];

    /// The element's name in `urn:ietf:params:xml:ns:xmpp-sasl`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::AccountDisabled => "account-disabled",
            Self::CredentialsExpired => "credentials-expired",
            Self::EncryptionRequired => "encryption-required",
            Self::IncorrectEncoding => "incorrect-encoding",
            Self::InvalidAuthzid => "invalid-authzid",
            Self::InvalidMechanism => "invalid-mechanism",
            Self::MalformedRequest => "malformed-request",
            Self::MechanismTooWeak => "mechanism-too-weak",
            Self::NotAuthorized => "not-authorized",
            Self::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }
}

/// A refused authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The condition.
    pub condition: SaslCondition,
    /// What a person should know, in English; `None` where the condition says it all, or where
    /// more words would tell a stranger whether the account exists.
    pub text: Option<&'static str>,
}

impl Failure {
    /// A failure with nothing to add.
    pub const fn new(condition: SaslCondition) -> Self {
        Self {
            condition,
            text: None,
        }
    }

    /// A failure with an explanation.
    pub const fn with_text(condition: SaslCondition, text: &'static str) -> Self {
        Self {
            condition,
            text: Some(text),
        }
    }
}
