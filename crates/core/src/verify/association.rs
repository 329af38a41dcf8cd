//! Judges a container that should have credentials from an EKS Pod Identity association: whether an
//! SDK in it asks the agent, with a token that the agent accepts.

use super::container::{Judge, Problem};
use super::env::Env;
use super::region;
use crate::injection::{AGENT_URIS, AUTHORIZATION_TOKEN_FILE, CREDENTIALS_URI, ROLE_ARN, TOKEN_FILE};
use crate::objects::Container;

/// The variables of container credentials; SDKs need both.
pub(super) const CONTAINER_CREDENTIALS: [&str; 2] = [CREDENTIALS_URI, AUTHORIZATION_TOKEN_FILE];

/// The path on the agent of Amazon ECS. SDKs take it before [`CREDENTIALS_URI`].
pub(super) const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

/// Whether both variables are set.
pub(super) fn has_credentials(env: &Env<'_>) -> bool {
    CONTAINER_CREDENTIALS.iter().all(|name| !env.get(name).is_unset())
}

impl Judge<'_> {
    /// What is wrong with the credentials of the association. SDKs look for a web identity first.
    pub(super) fn association_problems<'c>(&'c self, container: &'c Container, env: &Env<'c>) -> Vec<Problem> {
        let role = env.get(ROLE_ARN);
        // Without a role some SDKs fail at the token file, and do not get as far as the agent.
        if !env.get(TOKEN_FILE).is_unset() {
            return vec![Problem::WebIdentity { role, beside: has_credentials(env) }];
        }
        let (uri, file) = (env.get(CREDENTIALS_URI), env.get(AUTHORIZATION_TOKEN_FILE));
        if uri.is_unset() && file.is_unset() {
            return vec![Problem::NoAssociation];
        }
        let is_agent = uri.known().is_some_and(|uri| AGENT_URIS.contains(&uri));
        let mut problems = if is_agent { Vec::new() } else { vec![Problem::CredentialsUri(uri)] };
        let relative = env.get(RELATIVE_URI);
        problems.extend((!relative.is_unset()).then_some(Problem::RelativeUri));
        if file.is_unset() {
            problems.push(Problem::TokenFileMissing);
        }
        problems.extend(self.token_problems(container, env, file));
        // These credentials need no call to STS, so a missing region is no problem.
        let region = region::problem(env, self.expected);
        problems.extend(region.filter(|problem| !matches!(problem, Problem::NoRegion { .. })));
        problems
    }

    /// Whether the container has no variable that leads to a role.
    pub(super) fn has_nothing(&self, env: &Env<'_>) -> bool {
        let of_association = self.expected.identity.is_of_association();
        env.get(ROLE_ARN).is_unset() && (!of_association || env.get(CREDENTIALS_URI).is_unset())
    }
}
