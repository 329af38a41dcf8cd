//! `sts:AssumeRoleWithWebIdentity`: what is asked, what the answer means, and what can be done about it.
//!
//! ```text
//! role, subject, endpoint ──► Request ──► (sent by a client) ──► Answer ──► explain ──► Cause: what, tells, next
//! token ──► Claims ────────────────────────────────────────────────────────────┘
//! discovery document, JWKS ──► Keys ───────────────────────────────────────────┘
//! ```
//!
//! No type keeps a token or credentials: the token is only in the body of the request, and the credentials of an answer
//! are dropped where it is read. The credentials would be worth nothing: the request limits them to nothing.
//!
//! AWS may change the words of its messages whenever it likes. What is said about an answer depends on its code, on the
//! token and on what was looked up; words only change the order of causes.
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
