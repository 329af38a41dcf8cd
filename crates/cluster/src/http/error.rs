//! Classifies errors of the API server and of the connection to it. No other module inspects status
//! codes or the API server's messages.
//!
//! ```text
//! kube::Error ──► Meaning ──► write: ProblemKind      (stale, conflict, refused, failed)
//!                        ├──► read: ReadError         (what the user of the plugin can do)
//!                        └──► retry, lease, discovery (whether and when to try again)
//! ```

use std::error::Error;

use kube::core::Status;

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The client found no credentials and sent no request.
    NoCredentials,
    /// The API server does not accept the credentials.
    Unauthorized,
    /// The user lacks the permission.
    Forbidden,
    /// The object, the kind or the namespace does not exist.
    NotFound,
    /// The object has changed since it was observed: its resource version or UID differs.
    Changed,
    /// Another field manager owns a field that was written.
    FieldConflict,
    /// The API server no longer has the resource version at which a list or watch continues.
    Expired,
    /// The API server is overloaded; a retry may succeed.
    Overloaded,
    /// The answer took too long.
    TimedOut,
    /// The stored object violates its own schema, so server-side apply cannot merge anything into
    /// it.
    StoredInvalid,
    /// The body has a field that the installed CRD does not declare: the CRD has another version.
    Undeclared,
    /// The object would be larger than the store allows.
    TooLarge,
    /// The request is malformed.
    BadRequest,
    /// The API server rejects the request: admission, quota, or an invalid object.
    Refused,
    /// No server answers.
    Unreachable,
    /// Anything else.
    Other,
}

/// Part of the API server's message about a stored object that violates its schema. The message
/// comes from its field-merging code.
const STORED_INVALID: &str = "typed live object";
/// Part of the API server's message about a field that the schema does not declare. The field's
/// path precedes it.
const UNDECLARED: &str = ": field not declared in schema";
/// Part of the API server's and etcd's messages about an object that is too large.
const TOO_LARGE: &str = "too large";

/// The fields of `status` that an error message reports as undeclared, as paths below `status`, for
/// example `restarts[0].failed`.
pub(crate) fn undeclared_status_fields(message: &str) -> Vec<&str> {
    let paths = message.split(UNDECLARED).filter_map(|before| before.rsplit_once(".status.").map(|(_, path)| path));
    paths.filter(|path| path.chars().all(|c| c.is_ascii_alphanumeric() || "[].".contains(c))).collect()
}

impl Meaning {
    /// What an error of the client means.
    pub(crate) fn of(error: &kube::Error) -> Self {
        match innermost(error) {
            kube::Error::Api(status) => Self::of_status(status),
            kube::Error::Auth(_) => Self::NoCredentials,
            error @ (kube::Error::HyperError(_) | kube::Error::Service(_)) => Self::of_transport(&chain(error)),
            _ => Self::Other,
        }
    }

    /// What an answer with a status means.
    pub(crate) fn of_status(status: &Status) -> Self {
        let mut causes = status.details.iter().flat_map(|details| &details.causes);
        if causes.any(|cause| cause.reason == FIELD_CONFLICT) {
            return Self::FieldConflict;
        }
        if status.message.contains(STORED_INVALID) {
            return Self::StoredInvalid;
        }
        if status.message.contains(UNDECLARED) {
            return Self::Undeclared;
        }
        match Self::of_code(status.code) {
            // The API server reports etcd's refusal as an internal error.
            Self::Other | Self::Refused if status.message.contains(TOO_LARGE) => Self::TooLarge,
            meaning => meaning,
        }
    }

    /// What the status code alone means; `Other` if there was no answer.
    pub(crate) fn of_answer(error: &kube::Error) -> Self {
        match innermost(error) {
            kube::Error::Api(status) => Self::of_code(status.code),
            _ => Self::Other,
        }
    }

    /// What a status code alone means.
    pub(crate) fn of_code(code: u16) -> Self {
        match code {
            400 => Self::BadRequest,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            409 => Self::Changed,
            410 => Self::Expired,
            504 => Self::TimedOut,
            429 | 503 => Self::Overloaded,
            402 | 405..=428 => Self::Refused,
            _ => Self::Other,
        }
    }

    /// kube and hyper distinguish timeouts only by their message.
    fn of_transport(text: &str) -> Self {
        let timed_out = text.contains("timed out") || text.contains("deadline");
        let connecting = text.contains("onnect");
        if timed_out && !connecting { Self::TimedOut } else { Self::Unreachable }
    }

    /// Whether the API server is overloaded or slow, so that a retry of the same request may
    /// succeed.
    pub(crate) fn is_short_of_time(self) -> bool {
        matches!(self, Self::Overloaded | Self::TimedOut)
    }
}

/// Reason of a cause: another field manager owns the field.
const FIELD_CONFLICT: &str = "FieldManagerConflict";

/// The fields in conflict and the field managers that own them, as text.
pub(crate) fn conflicts(error: &kube::Error) -> String {
    let kube::Error::Api(status) = innermost(error) else { return String::new() };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let conflicts = causes.filter(|cause| cause.reason == FIELD_CONFLICT);
    conflicts.map(|cause| format!("{} ({})", cause.message, cause.field)).collect::<Vec<_>>().join(", ")
}

/// The continue token with which an expired list can continue.
pub(crate) fn continue_token(error: &kube::Error) -> Option<String> {
    let kube::Error::Api(status) = innermost(error) else { return None };
    let token = status.metadata.as_ref()?.continue_.clone()?;
    (Meaning::of(error) == Meaning::Expired && !token.is_empty()).then_some(token)
}

/// The API server's message, or the transport error with its causes.
pub(crate) fn message(error: &kube::Error) -> String {
    match innermost(error) {
        kube::Error::Api(status) => status.message.clone(),
        error => chain(error),
    }
}

/// The original error: each client layer wraps the errors of the client below it.
fn innermost(error: &kube::Error) -> &kube::Error {
    match error {
        kube::Error::Service(inner) => inner.downcast_ref::<kube::Error>().map_or(error, innermost),
        error => error,
    }
}

/// An error and its causes as text. It skips a cause that the text already contains: outer errors
/// often repeat inner ones.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The meaning of an answer with this code and message.
    fn meaning(code: u16, message: &str) -> Meaning {
        let status = json!({"status": "Failure", "code": code, "reason": "", "message": message});
        Meaning::of(&kube::Error::Api(serde_json::from_value(status).unwrap()))
    }

    #[test]
    fn texts_of_api_servers_are_told_apart() {
        let stored_invalid = "failed to create typed live object (shop/app; podidentity.dev/v1alpha1, \
                              Kind=PodIdentityBinding): .spec.suspend: expected boolean, got &{yes}";
        assert_eq!(meaning(500, stored_invalid), Meaning::StoredInvalid);
        assert_eq!(meaning(500, OLDER), Meaning::Undeclared);
        assert_eq!(meaning(500, "etcdserver: request is too large"), Meaning::TooLarge);
        assert_eq!(meaning(413, "Request entity too large: limit is 3145728"), Meaning::TooLarge);
        assert_eq!(meaning(500, "etcdserver: leader changed"), Meaning::Other);
    }

    const OLDER: &str = "failed to create typed patch object (shop/app; podidentity.dev/v1alpha1, Kind=PodIdentityBinding): \
                         errors:\n  .status.declaredRoleArn: field not declared in schema\n  .status.more: field not \
                         declared in schema\n  .status.workloads[0].new: field not declared in schema";

    #[test]
    fn fields_that_an_older_definition_lacks_are_named() {
        assert_eq!(undeclared_status_fields(OLDER), ["declaredRoleArn", "more", "workloads[0].new"]);
        assert_eq!(undeclared_status_fields("no"), [] as [&str; 0]);
    }

    #[test]
    fn every_write_that_is_refused_is_told_from_one_that_may_succeed_later() {
        for (code, expected) in [
            (400, Meaning::BadRequest),
            (403, Meaning::Forbidden),
            (404, Meaning::NotFound),
            (409, Meaning::Changed),
            (410, Meaning::Expired),
            (422, Meaning::Refused),
            (429, Meaning::Overloaded),
            (500, Meaning::Other),
            (504, Meaning::TimedOut),
        ] {
            assert_eq!(meaning(code, "no"), expected, "{code}");
        }
    }

    #[test]
    fn another_field_manager_is_named() {
        let cause = json!({"reason": "FieldManagerConflict", "message": "conflict with \"helm\"", "field": ".a"});
        let status = json!({"status": "Failure", "code": 409, "reason": "Conflict", "message": "Apply failed",
            "details": {"causes": [cause]}});
        let error = kube::Error::Api(serde_json::from_value(status).unwrap());
        assert_eq!(Meaning::of(&error), Meaning::FieldConflict);
        assert_eq!(conflicts(&error), "conflict with \"helm\" (.a)");
    }

    #[test]
    fn an_error_is_found_below_the_layers_of_a_client() {
        let status = json!({"status": "Failure", "code": 403, "reason": "", "message": "no"});
        let inner = kube::Error::Api(serde_json::from_value(status).unwrap());
        let outer = kube::Error::Service(Box::new(kube::Error::Service(Box::new(inner))));
        assert_eq!((Meaning::of(&outer), message(&outer)), (Meaning::Forbidden, "no".to_owned()));
    }

    #[test]
    fn timeouts_are_told_by_their_texts() {
        for (text, expected) in [
            ("client error (SendRequest): operation timed out", Meaning::TimedOut),
            ("client error (Connect): deadline has elapsed", Meaning::Unreachable),
            ("tcp connect error: Connection refused", Meaning::Unreachable),
        ] {
            assert_eq!(Meaning::of_transport(text), expected, "{text}");
        }
    }
}
