//! Trust policies of roles: whether they let in a service account's token, and what they have to
//! contain.
//!
//! ```text
//! text ──► input (AWS output, encodings) ──► json (with places) ──► document ──► evaluate ──► judge: faults, warnings
//!                                                                                   └──────► correct: tidy, mend
//! ```
//!
//! The model covers `sts:AssumeRoleWithWebIdentity` with tokens of service accounts. If independent
//! evaluators disagree, or only the request tells, the verdict is [`Verdict::NotSure`].
//!
//! Source: "IAM JSON policy element reference" and "Available keys for AWS OIDC federation", AWS
//! IAM User Guide.

mod json;
mod text;

mod document;
mod identity;
mod input;
mod operator;
mod verdict;

mod evaluate;
mod fault;
mod judge;
mod warn;

mod correct;
mod edit;
mod mend;
mod tidy;

mod needed;

pub use correct::Correction;
pub use document::{Effect, Policy};
pub use fault::Finding;
pub use identity::WebIdentity;
pub use input::{MAX_INPUT, OidcProvider};
pub use judge::{Element, Judged, Judgement};
pub use needed::{TrustPolicy, UNKNOWN_ISSUER, association_policy, policy, provider_name};
pub use text::{Place, ReadError};
pub use verdict::{Doubt, Match, Verdict};
