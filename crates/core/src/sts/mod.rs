//! `sts:AssumeRoleWithWebIdentity`: the request, what the answer means, and what to do about it.
//!
//! ```text
//! role, subject, endpoint ──► Request ──► (sent by a client) ──► Answer ──► explain ──► Cause: what, tells, next
//! token ──► Claims ────────────────────────────────────────────────────────────┘
//! discovery document, JWKS ──► Keys ───────────────────────────────────────────┘
//! ```
//!
//! No type keeps a token or credentials. The token is only in the body of the request, and the
//! credentials in an answer are dropped when the answer is read. These credentials would be useless
//! anyway: the session policy in the request denies everything.
//!
//! AWS may change the wording of its messages at any time. The explanation of an answer depends on
//! its code, on the token and on facts that were looked up. The wording only changes the order of
//! the causes.
//!
//! Source: "AssumeRoleWithWebIdentity", AWS STS API Reference.

mod endpoint;
mod request;

mod text;

mod claims;
mod keys;

mod answer;
mod refusal;

mod explain;
mod rejected;
mod unanswered;

pub use answer::{Accepted, Answer, MAX_ANSWER, NotAws, Unavailable, Unreachable};
pub use claims::{Claims, NotAToken};
pub use endpoint::{Endpoint, EndpointError, Region, RegionError, is_loopback};
pub use explain::{Cause, Question, explain};
pub use keys::{Keys, MAX_DOCUMENT, discovered_keys, discovery_url, find_key};
pub use refusal::{Code, Refusal, Retry};
pub use request::{Request, SessionError, SessionName};
