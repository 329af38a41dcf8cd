//! The effect of each answer of AWS on a binding.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{OTHER_ROLE, ROLE};
use e2e::sts::{ACCOUNT, Fault, ISSUER, Messages, World as Aws, trust_policy};
use e2e::{Namespace, expect};
use jiff::SignedDuration;
use podidentity_api::Reason;
use podidentity_api::names::condition;
use podidentity_api::{PodIdentityBinding, PreflightResult};
use serde_json::json;

use super::{APP, Asking, acts, said, told};
use crate::world::World;

/// An answer of AWS.
struct Case {
    /// The name of the namespace.
    name: &'static str,
    /// The error in AWS.
    wrong: fn(&mut Aws, &str),
    /// Status and reason of the condition `RoleAssumable`, and a part of its message.
    says: (&'static str, Reason, &'static str),
}

const OTHER_ACCOUNT: &str = "999988887777";

const CASES: &[Case] = &[
    Case {
        name: "no-role",
        wrong: |aws, _| drop(aws.roles.remove(ROLE)),
        says: ("False", Reason::RoleNotAssumable, "AccessDenied"),
    },
    Case {
        name: "other-subject",
        wrong: |aws, namespace| aws.role(ROLE, &trust_policy(namespace, "another")),
        says: ("False", Reason::RoleNotAssumable, "kubectl podidentity trust -n other-subject"),
    },
    Case {
        name: "no-provider",
        wrong: |aws, _| {
            aws.providers.clear();
            aws.provider(OTHER_ACCOUNT, ISSUER);
        },
        says: ("False", Reason::IdentityProviderRejected, "create-open-id-connect-provider"),
    },
    Case {
        name: "terse",
        wrong: |aws, _| {
            aws.messages = Messages::Terse;
            for provider in aws.providers.values_mut() {
                provider.client_ids = vec!["other".to_owned()];
            }
        },
        says: ("False", Reason::IdentityProviderRejected, "InvalidIdentityToken"),
    },
    Case {
        name: "no-keys",
        wrong: |aws, _| aws.providers.values_mut().for_each(|provider| provider.has_keys = false),
        says: ("False", Reason::IdentityProviderRejected, "verification key"),
    },
    Case {
        name: "expired",
        wrong: |aws, _| aws.clock = SignedDuration::from_hours(1),
        says: ("False", Reason::TokenRefused, "clock"),
    },
    Case {
        name: "disabled",
        wrong: |aws, _| aws.disabled.extend([ACCOUNT.to_owned()]),
        says: ("Unknown", Reason::StsRegionDisabled, "switched off"),
    },
    Case {
        name: "throttled",
        wrong: |aws, _| aws.always = Some(Fault::Throttled),
        says: ("Unknown", Reason::PreflightUnavailable, "Throttling"),
    },
    Case {
        name: "proxy-page",
        wrong: |aws, _| aws.always = Some(Fault::Page(403)),
        says: ("Unknown", Reason::PreflightUnavailable, "other than AWS has answered"),
    },
    Case {
        name: "truncated",
        wrong: |aws, _| aws.always = Some(Fault::Truncated),
        says: ("Unknown", Reason::PreflightUnavailable, "breaks off"),
    },
    Case {
        name: "somebody-else",
        wrong: |aws, _| aws.always = Some(Fault::OtherSubject("system:serviceaccount:a:b".to_owned())),
        says: ("Unknown", Reason::PreflightUnavailable, "about somebody else"),
    },
];

/// Each error code has its reason. While AWS refuses, the operator neither annotates nor restarts.
/// After the repair in AWS, it continues by itself.
pub(crate) async fn each_has_its_reason(_: Arc<World>, _: Namespace) -> Result<()> {
    let asking = Asking::start(&[]).await?;
    asking
        .work(async {
            for case in CASES {
                refused_and_repaired(&asking, case).await.with_context(|| case.name)?;
            }
            asking.keeps_secrets().await
        })
        .await
}

async fn refused_and_repaired(asking: &Asking, case: &Case) -> Result<()> {
    let namespace = asking.namespace(case.name).await?;
    asking.aws.change(|aws| {
        *aws = Aws::default();
        aws.provider(ACCOUNT, ISSUER);
    });
    asking.trust(&namespace);
    // The generated name ends with a number.
    let name = namespace.name.clone();
    asking.aws.change(|aws| (case.wrong)(aws, &name));
    let before = asking.bind(&namespace, "Require").await?;
    let (status, reason, words) = case.says;
    let binding = told(&namespace, status, reason).await?;
    let message = said(&binding);
    ensure!(message.contains(words), "{words:?} is not in {message}");
    let ready = expect::condition_of(&binding, condition::READY).context("no condition Ready")?;
    ensure!(ready.status == "False" && reason.is(&ready.reason), "Ready is {} {}", ready.status, ready.reason);
    ensure!(ready.message.contains("nothing is restarted"), "{}", ready.message);
    asking.untouched(&namespace, &before, None).await?;
    expect::event(&namespace, reason).await?;

    asking.aws.change(|aws| {
        *aws = Aws::default();
        aws.provider(ACCOUNT, ISSUER);
    });
    asking.trust(&namespace);
    acts(&namespace, ROLE).await?;
    expect::rolled(&before, &expect::rolled_out(&namespace, APP).await?, 1)
}

/// A change of the spec asks AWS at once. A refused role does not affect the role in force.
pub(crate) async fn another_role_is_refused(_: Arc<World>, _: Namespace) -> Result<()> {
    let asking = Asking::start(&["--preflight=Require"]).await?;
    asking
        .work(async {
            let namespace = asking.namespace("another").await?;
            asking.trust(&namespace);
            let before = asking.bind(&namespace, "Require").await?;
            acts(&namespace, ROLE).await?;
            let first = expect::rolled_out(&namespace, APP).await?;
            expect::rolled(&before, &first, 1)?;
            asking.aws.change(|aws| aws.role(OTHER_ROLE, &trust_policy(&namespace.name, "another")));
            namespace.change::<PodIdentityBinding>(APP, &json!({"spec": {"roleArn": OTHER_ROLE}})).await?;
            told(&namespace, "False", Reason::RoleNotAssumable).await?;
            asking.untouched(&namespace, &first, Some(ROLE)).await?;
            let asked = asking.asked(&namespace);
            // Any change may be the correction.
            asking.trust(&namespace);
            let patch = json!({"spec": {"rollout": {"maxConcurrent": 2}}});
            namespace.change::<PodIdentityBinding>(APP, &patch).await?;
            acts(&namespace, OTHER_ROLE).await?;
            ensure!(asking.asked(&namespace) == asked + 1, "asked {} times", asking.asked(&namespace) - asked);
            asking.keeps_secrets().await
        })
        .await
}

/// Under `Report`, and under `Require` if the operator may proceed without an answer, the operator
/// puts the role in force and reports AWS's answer.
pub(crate) async fn reported(_: Arc<World>, _: Namespace) -> Result<()> {
    let asking = Asking::start(&["--preflight-on-unavailable=proceed"]).await?;
    asking
        .work(async {
            let namespace = asking.namespace("reported").await?;
            asking.aws.change(|aws| aws.role(ROLE, &trust_policy(&namespace.name, "another")));
            asking.bind(&namespace, "Report").await?;
            let binding = expect::ready(&namespace, APP).await?;
            let ready = expect::condition_of(&binding, condition::READY).context("no condition Ready")?;
            ensure!(ready.message.contains("is set up to act as"), "{}", ready.message);
            ensure!(ready.message.contains("AccessDenied"), "{}", ready.message);
            told(&namespace, "False", Reason::RoleNotAssumable).await?;
            asking.trust(&namespace);
            told(&namespace, "True", Reason::RoleAssumable).await?;
            acts(&namespace, ROLE).await?;

            let namespace = asking.namespace("unavailable").await?;
            asking.trust(&namespace);
            asking.aws.change(|aws| aws.always = Some(Fault::Internal));
            asking.bind(&namespace, "Require").await?;
            let binding = expect::ready(&namespace, APP).await?;
            let failed = binding.status.and_then(|status| status.preflight).and_then(|it| it.failed);
            let failed = failed.context("nothing is recorded")?;
            ensure!(failed.result == PreflightResult::Unavailable, "{failed:?}");
            asking.aws.change(|aws| aws.always = None);
            told(&namespace, "True", Reason::RoleAssumable).await.map(|_| ())
        })
        .await
}
