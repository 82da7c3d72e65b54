//! What a caller did wrong, or cannot have now: problem details (RFC 9457) with a sentence that says what to
//! do.

use crate::AskFailure;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_envelope::ReportRefusal;
use serde_json::json;
use tonic::{Code, Status};

const MEDIA_TYPE: &str = "application/problem+json";

/// One problem.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    kind: &'static str,
    pub(super) detail: String,
    /// After how many seconds it may be over.
    retry_after: Option<u32>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// The same, over after so many seconds.
    pub(super) fn for_seconds(self, seconds: u32) -> Self {
        let retry_after = Some(seconds);
        Self {
            retry_after,
            ..self
        }
    }

    /// An address, a source or a parameter that cannot be.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    /// A state, a note or times that cannot be.
    pub(crate) fn cannot_be(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "cannot-be", detail)
    }

    /// More than the caller's rate.
    pub(crate) fn too_fast(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-fast", detail).for_seconds(1)
    }

    pub(crate) fn unknown_user(user: &str) -> Self {
        let detail = format!("there is no user {user}");
        Self::new(StatusCode::NOT_FOUND, "unknown-user", detail)
    }

    /// The same for the owner's failures.
    pub(crate) fn unanswered(failure: AskFailure) -> Self {
        let kind = match failure {
            AskFailure::NoOwner => "nobody-serves",
            AskFailure::Busy => "busy",
        };
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, failure.to_string());
        problem.for_seconds(1)
    }

    pub(crate) fn something_else() -> Self {
        let detail =
            "the owner of the user answered something else: its node may run another version";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "other-version", detail).for_seconds(60)
    }

    /// A word for programs, and a sentence for people.
    pub(crate) fn into_words(self) -> (String, String) {
        (self.kind.to_owned(), self.detail)
    }
}

impl From<ReportRefusal> for Problem {
    fn from(why: ReportRefusal) -> Self {
        let detail = why.to_string();
        match why {
            ReportRefusal::NoAccount => Self::new(StatusCode::NOT_FOUND, "unknown-user", detail),
            ReportRefusal::TooManySources(_) => {
                Self::new(StatusCode::CONFLICT, "too-many-sources", detail)
            }
            ReportRefusal::UnknownState(_) => Self::cannot_be(detail),
        }
    }
}

/// The same for who speaks gRPC.
impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let code = match problem.status {
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            _ => Code::InvalidArgument,
        };
        Self::new(code, problem.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": format!("urn:muster:problem:{}", self.kind),
            "title": self.kind.replace('-', " "),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let kind = [(header::CONTENT_TYPE, MEDIA_TYPE)];
        let mut response = (self.status, kind, body.to_string()).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"muster\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        // A stranger keeps no connection, and of a request that was not read nothing is read any more.
        let strange = [StatusCode::UNAUTHORIZED, StatusCode::PAYLOAD_TOO_LARGE];
        if strange.contains(&self.status) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
