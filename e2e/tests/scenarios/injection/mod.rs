//! Compares the admission policy of `config/injection/` with the model of the webhook: for many odd
//! pods, the API server must store what the model predicts.
//!
//! ```text
//! generate ─► pod as written ─────────► namespace with annotated service accounts ─► stored ┐
//!         └─► pod as written ─► model ─► namespace with bare ones, dry run ──────► wanted ┴► equal
//! ```
//!
//! The model's pod also goes through the API server, so both get its defaults, and it may refuse
//! both. The policy adds nothing to pods of service accounts without annotations.

mod compare;
pub(crate) mod composed;
mod differences;
pub(crate) mod generate;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use e2e::{ControlPlane, Namespace, fixtures, injection};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::core::Status;
use podidentity_core::settings::Settings;
use podidentity_core::{injection as model, objects};
use serde_json::{Value, json};

use crate::world::World;
use compare::{differences, essence};
use generate::{Account, Case};

/// Another seed gives other pods. A failure names the pod, so a fixed seed makes it easy to
/// investigate.
const SEED: u64 = 4;
const ACCOUNTS: usize = 120;
const PODS: usize = 400;
/// With fewer accepted pods, the comparison would prove little.
const ENOUGH: usize = 200;
/// Concurrent requests.
const CONCURRENCY: usize = 8;

/// The result of a pod: the relevant parts of the stored pod, or why the API server refused it.
type Outcome = Result<Value, String>;

pub(crate) async fn as_the_model_says(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let (accounts, cases) = generate::generate(SEED, ACCOUNTS, PODS);
    let bench = Bench::new(&world.control_plane, namespace, &accounts).await?;
    let bench = &bench;
    let work = cases.into_iter().map(|case| async move { bench.compare(&case).await });
    let results: Vec<Compared> = stream::iter(work).buffer_unordered(CONCURRENCY).try_collect().await?;

    let wrong: Vec<&str> = results.iter().filter_map(|result| result.wrong.as_deref()).collect();
    ensure!(wrong.is_empty(), "{} of {PODS} pods are not as the model says:\n{}", wrong.len(), wrong.join("\n"));
    let count = |kind: Kind| results.iter().filter(|result| result.kind == kind).count();
    let (injected, untouched, refused) = (count(Kind::Injected), count(Kind::Untouched), count(Kind::Refused));
    println!(
        "injection: {PODS} pods of {} service accounts compared with the model: \
         {injected} injected into, {untouched} left alone, {refused} refused either way",
        accounts.len()
    );
    ensure!(injected + untouched >= ENOUGH && injected >= ENOUGH / 2, "too few pods were accepted to say something");
    Ok(())
}

pub(crate) async fn known_differences(world: Arc<World>, namespace: Namespace) -> Result<()> {
    let known = differences::known();
    let accounts: Vec<Account> = known.iter().map(|difference| difference.account.clone()).collect();
    let bench = Bench::new(&world.control_plane, namespace, &accounts).await?;
    for difference in &known {
        let what = difference.what;
        let (stored, wanted) = bench.outcomes(&difference.case, &difference.settings).await?;
        ensure!(stored != wanted, "the policy agrees with the model, so this is no longer a difference: {what}");
        ensure!(stored.is_ok(), "a known difference must not keep a pod from starting: {what}: {stored:?}");
    }
    println!("injection: {} known differences are still there", known.len());
    Ok(())
}

/// A namespace with annotated service accounts, all known to the policy, and one with the same
/// service accounts without annotations.
struct Bench {
    pods: Api<DynamicObject>,
    bare_pods: Api<DynamicObject>,
    accounts: BTreeMap<String, objects::Map>,
}

/// The comparison of one pod.
struct Compared {
    kind: Kind,
    wrong: Option<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Injected,
    Untouched,
    Refused,
}

impl Bench {
    async fn new(control_plane: &ControlPlane, namespace: Namespace, accounts: &[Account]) -> Result<Self> {
        let bare = control_plane.namespace("bare").await?;
        for Account { name, annotations } in accounts {
            if name == "default" {
                let annotations = json!({"metadata": {"annotations": annotations}});
                namespace.change::<ServiceAccount>(name, &annotations).await?;
            } else {
                let account = json!({"metadata": {"name": name, "annotations": annotations}});
                namespace.create::<ServiceAccount>(serde_json::from_value(account)?).await?;
                bare.create(fixtures::service_account(name)?).await?;
            }
        }
        // The policy sees changes of service accounts in order: once it knows the last one, it
        // knows all.
        namespace.create(fixtures::annotated_service_account("last", fixtures::ROLE)?).await?;
        injection::in_force(&namespace, "last", fixtures::ROLE).await?;
        let annotated = |account: &Account| (account.name.clone(), account.annotations.clone().into_iter().collect());
        let accounts = accounts.iter().map(annotated).collect();
        // Untyped, so that no field is lost.
        let kind = ApiResource::erase::<Pod>(&());
        let pods = |name: &str| Api::namespaced_with(control_plane.client(), name, &kind);
        Ok(Self { pods: pods(&namespace.name), bare_pods: pods(&bare.name), accounts })
    }

    async fn compare(&self, case: &Case) -> Result<Compared> {
        let name = &case.name;
        let (stored, wanted) = self.outcomes(case, &Settings::default()).await?;
        let mut wrong = match (&stored, &wanted) {
            (Ok(stored), Ok(wanted)) => differences(stored, wanted),
            (Err(stored), Err(wanted)) if stored == wanted => Vec::new(),
            _ => vec![format!("stored: {}, by the model: {}", brief(&stored), brief(&wanted))],
        };
        if let Ok(stored) = &stored {
            let again = self.create_again(case, stored).await?;
            wrong.extend(differences(&again, stored).into_iter().map(|text| format!("injected twice: {text}")));
        }
        let kind = match &stored {
            Err(_) => Kind::Refused,
            Ok(stored) if stored.to_string().contains("/run/secrets/eks.amazonaws.com") => Kind::Injected,
            Ok(_) => Kind::Untouched,
        };
        let about = || {
            let account = &self.accounts[&case.account];
            format!("{name} of {} {account:?}\n  {}\n  {}", case.account, wrong.join("\n  "), case.pod)
        };
        Ok(Compared { kind, wrong: (!wrong.is_empty()).then(about) })
    }

    /// What the API server stored, and what it would have stored for the model's pod.
    async fn outcomes(&self, case: &Case, settings: &Settings) -> Result<(Outcome, Outcome)> {
        let injected = self.injected(case, settings)?;
        let wanted = create(&self.bare_pods, &injected, true).await?;
        if let Ok(wanted) = &wanted {
            ensure!(mentions(wanted) == mentions(&injected), "the policy added to a pod without a role: {wanted}");
        }
        let stored = match create(&self.pods, &case.pod, false).await? {
            Err(refusal) => Err(refusal),
            Ok(_) => Ok(serde_json::to_value(self.pods.get(&case.name).await?)?),
        };
        Ok((stored.map(essence), wanted.map(essence)))
    }

    /// The pod with all additions of the model.
    fn injected(&self, case: &Case, settings: &Settings) -> Result<Value> {
        let mut value = case.pod.clone();
        let pod: objects::Pod = serde_json::from_value(value.clone())?;
        // A pod without a service account, such as a mirror pod, has no annotations.
        let annotations = self.accounts.get(&case.account).cloned().unwrap_or_default();
        model::inject(&pod, &annotations, settings).apply_to_value(&mut value["spec"])?;
        Ok(value)
    }

    /// The policy's result for a pod that it has already injected into.
    async fn create_again(&self, case: &Case, stored: &Value) -> Result<Value> {
        let mut pod = stored.clone();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["generateName"] = json!("again-");
        match create(&self.pods, &pod, true).await? {
            Ok(again) => Ok(essence(again)),
            Err(refusal) => bail!("{} was stored, but not again: {refusal}", case.name),
        }
    }
}

async fn create(pods: &Api<DynamicObject>, pod: &Value, dry_run: bool) -> Result<Outcome> {
    let object: DynamicObject = serde_json::from_value(pod.clone()).context("not an object")?;
    match pods.create(&PostParams { dry_run, field_manager: None }, &object).await {
        Ok(created) => Ok(Ok(serde_json::to_value(created)?)),
        Err(kube::Error::Api(status)) if [403, 422].contains(&status.code) => Ok(Err(causes(&status))),
        Err(error) => Err(error).with_context(|| format!("cannot create {pod}")),
    }
}

/// How often the spec names something that the policy injects.
fn mentions(pod: &Value) -> usize {
    let spec = pod["spec"].to_string();
    ["AWS_", model::VOLUME].iter().map(|text| spec.matches(text).count()).sum()
}

fn brief(outcome: &Outcome) -> String {
    outcome.as_ref().map_or_else(|refusal| format!("refused: {refusal}"), |_| "accepted".to_owned())
}

/// Why a pod is forbidden or invalid, without the field paths: the API server's own mount comes
/// before ours or after the model's.
fn causes(status: &Status) -> String {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut messages: Vec<_> = causes.map(|cause| cause.message.clone()).collect();
    if messages.is_empty() {
        return status.message.clone();
    }
    messages.sort();
    messages.join("; ")
}
