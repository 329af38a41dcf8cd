//! Judges a trust policy for a web identity.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use super::document::{Effect, Policy, Statement};
use super::evaluate::{Evaluated, applies, covers_action, name, parts, place, verdict};
use super::fault::{self, Finding};
use super::identity::{Context, Home, WebIdentity, is_account, provider_parts};
use super::input::OidcProvider;
use super::text::Place;
use super::verdict::{Doubt, Match, Verdict};
use super::warn;
use crate::arn::RoleArn;

/// The judgement of a policy for a web identity.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// Whether the role can be assumed, as far as the documents tell.
    pub verdict: Verdict,
    /// Why the role cannot be assumed. If no statement allows it, these are the faults of the
    /// nearest one.
    pub faults: Vec<Finding>,
    /// Why the documents do not tell. Each reason is the name of a [`Doubt`].
    pub doubts: Vec<Finding>,
    /// Parts that allow more than they should.
    pub warnings: Vec<Finding>,
    /// The statements, in their order.
    pub statements: Vec<Judged>,
}

/// The judgement of a statement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// Its number, from 1.
    pub number: usize,
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// What it does if it applies.
    pub effect: Effect,
    /// Where it begins.
    #[serde(flatten)]
    pub at: Place,
    /// Whether it applies to the token.
    #[serde(serialize_with = "matches")]
    pub applies: Match,
    /// Principal, action, and each condition.
    pub elements: Vec<Element>,
}

/// The judgement of a part of a statement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Element {
    /// `Principal`, `Action`, or operator and key.
    pub name: String,
    /// Its place in the input.
    #[serde(flatten)]
    pub at: Place,
    /// Whether it matches the token.
    #[serde(serialize_with = "matches")]
    pub matches: Match,
    /// Why it does not match, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Finding>,
}

fn matches<S: Serializer>(matches: &Match, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    match matches {
        Match::Yes => map.serialize_entry("is", "Yes")?,
        Match::No => map.serialize_entry("is", "No")?,
        Match::NotSure(doubt, why) => {
            map.serialize_entry("is", "NotSure")?;
            map.serialize_entry("doubt", doubt.as_str())?;
            map.serialize_entry("why", why)?;
        }
    }
    map.end()
}

impl Policy {
    /// Judges whether the identity may assume the role of this policy. `role`: the requested role;
    /// the input itself may also name the role that the policy belongs to. `provider`: the identity
    /// provider of the role's account, if it is known.
    pub fn judge(&self, identity: &WebIdentity, role: Option<&RoleArn>, provider: Option<&OidcProvider>) -> Judgement {
        let context = Context::new(identity, self.home(identity, role));
        let statements: Vec<Judged> =
            self.statements.iter().enumerate().map(|(index, it)| self.judged(index, it, &context)).collect();
        let applying = statements.iter().map(|judged| (judged.effect, &judged.applies));
        let mut judgement = Judgement {
            verdict: verdict(self, applying),
            faults: Vec::new(),
            doubts: Vec::new(),
            warnings: warn::warnings(self, &context),
            statements,
        };
        known_provider(&context, provider, &mut judgement);
        if let (Some(own), Some(asked)) = (&self.role, role)
            && own != asked
        {
            let message = format!("the document is that of {own}, asked for is {asked}");
            judgement.warnings.insert(0, Finding { reason: "OtherRole", at: self.root.at, message });
        }
        match judgement.verdict {
            Verdict::Allow => {}
            Verdict::Deny => self.explain_denial(&mut judgement),
            Verdict::NotSure => self.explain_doubt(&mut judgement),
        }
        judgement
    }

    /// The partition and account of the role, which are also those of its identity provider.
    pub(super) fn home(&self, identity: &WebIdentity, role: Option<&RoleArn>) -> Option<Home> {
        if let Some(role) = self.role.as_ref().or(role) {
            return Some(Home::from(role));
        }
        let known = self.statements.iter().flat_map(|statement| statement.principal.of("Federated"));
        let mut homes =
            known.filter_map(|word| provider_parts(&word.text)).filter(|(_, account, _)| is_account(account));
        let own = super::provider_name(&identity.issuer);
        let mut all: Vec<_> = homes.by_ref().collect();
        all.sort_by_key(|(.., name)| *name != own);
        all.first()
            .map(|(partition, account, _)| Home { partition: (*partition).to_owned(), account: (*account).to_owned() })
    }

    fn judged(&self, index: usize, statement: &Statement, context: &Context<'_>) -> Judged {
        let parts = parts(self, statement, context);
        let element = |Evaluated { part, matches }: &Evaluated| Element {
            name: name(statement, *part),
            at: place(statement, *part),
            matches: matches.clone(),
            fault: (*matches == Match::No).then(|| fault::of(statement, *part, context)),
        };
        Judged {
            number: index + 1,
            sid: statement.sid.clone(),
            effect: statement.effect,
            at: statement.at,
            applies: applies(&parts),
            elements: parts.iter().map(element).collect(),
        }
    }

    fn explain_denial(&self, judgement: &mut Judgement) {
        for denial in judgement.statements.iter().filter(|it| it.effect == Effect::Deny && it.applies == Match::Yes) {
            let message = format!("{} denies it, whatever others allow", denial.title());
            judgement.faults.push(Finding { reason: "ExplicitDeny", at: denial.at, message });
        }
        let allowing = || judgement.statements.iter().filter(|it| it.effect == Effect::Allow);
        if allowing().any(|it| it.applies == Match::Yes) {
            return;
        }
        let Some(nearest) = allowing().min_by_key(|it| self.distance(it)) else {
            let message = "no statement allows anything".to_owned();
            judgement.faults.push(Finding { reason: "NothingAllowed", at: self.root.at, message });
            return;
        };
        judgement.faults.extend(nearest.elements.iter().filter_map(|it| it.fault.clone()));
    }

    /// How far a statement is from applying.
    fn distance(&self, judged: &Judged) -> (bool, usize, bool) {
        let statement = &self.statements[judged.number - 1];
        let off = judged.elements.iter().filter(|element| element.matches == Match::No).count();
        let federated = statement.principal.of("Federated").next().is_some() || covers_action(statement);
        (!federated, off, judged.elements.first().is_some_and(|principal| principal.matches == Match::No))
    }

    fn explain_doubt(&self, judgement: &mut Judgement) {
        for refusal in &self.refusals {
            let message = format!("IAM does not save this document: {}", refusal.message);
            judgement.doubts.push(Finding { reason: Doubt::Refused.as_str(), at: refusal.at, message });
        }
        if !self.refusals.is_empty() {
            return;
        }
        for judged in judgement.statements.iter().filter(|it| matches!(it.applies, Match::NotSure(..))) {
            let does = if judged.effect == Effect::Allow { "allows" } else { "denies" };
            for element in &judged.elements {
                if let Match::NotSure(doubt, why) = &element.matches {
                    let message = format!("whether {} {does} it is not sure: {why}", judged.title());
                    judgement.doubts.push(Finding { reason: doubt.as_str(), at: element.at, message });
                }
            }
        }
    }
}

/// Adds what the account's identity provider tells.
fn known_provider(context: &Context<'_>, provider: Option<&OidcProvider>, judgement: &mut Judgement) {
    let Some(provider) = provider else { return };
    let audience = &context.identity.audience;
    let arn = context.provider_arn().unwrap_or_else(|| "ARN".to_owned());
    if provider.name != context.provider {
        let message = format!(
            "the identity provider that is given is that of {:?}, the token is of {:?}; if the account has none for it: \
             aws iam create-open-id-connect-provider --url {} --client-id-list {audience}",
            provider.name, context.provider, context.identity.issuer
        );
        judgement.doubts.push(Finding { reason: Doubt::OtherProvider.as_str(), at: provider.at, message });
        if judgement.verdict == Verdict::Allow {
            judgement.verdict = Verdict::NotSure;
        }
    } else if !provider.client_ids.contains(audience) {
        let known =
            if provider.client_ids.is_empty() { "there are none".to_owned() } else { provider.client_ids.join(", ") };
        let message = format!(
            "the audience {audience:?} is not among the client ids of the identity provider ({known}): aws iam \
             add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {arn} --client-id {audience}"
        );
        judgement.faults.push(Finding { reason: "AudienceNotClientId", at: provider.client_ids_at, message });
        judgement.verdict = Verdict::Deny;
    }
}

impl Judged {
    /// For example `statement 2 (AllowWeb)`.
    pub fn title(&self) -> String {
        let sid = self.sid.as_ref().filter(|sid| !sid.is_empty());
        sid.map_or_else(|| format!("statement {}", self.number), |sid| format!("statement {} ({sid})", self.number))
    }
}
