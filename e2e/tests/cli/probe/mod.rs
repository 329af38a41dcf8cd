//! `probe` with tokens of the real API server and a double of AWS (`e2e::sts`). Each answer has its
//! text and its exit status, and the plugin never prints a token or a credential.

mod aws;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::fixtures::{self, OTHER_ROLE, ROLE};
use e2e::kubeconfig;
use e2e::pages::record;
use e2e::sts::{ACCOUNT, Fault, Messages, World, trust_policy};
use jiff::SignedDuration;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use tokio::runtime::Handle;

use self::aws::{Aws, hidden, reasons};
use crate::docs::COLUMNS;
use crate::live::Case;
use crate::normal::pretty;
use crate::plugin::{LOOKER_NAME, Outcome, Plugin, compare};

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    let case = |name, run| Case { name, run, is_possible: true };
    vec![
        case("probe_of_a_role_that_can_be_assumed", accepted),
        case("probe_of_each_refusal", refused),
        case("probe_of_what_passes_by_itself", transient),
        case("probe_where_not_aws_answers", not_aws),
        case("probe_where_clocks_differ", clocks),
        case("probe_follows_a_repair", repaired),
        case("probe_of_all_bindings", all_bindings),
        case("probe_without_the_right", no_right),
        case("probe_asked_wrongly", asked_wrongly),
        case("the_outputs_of_the_page_about_probe", page),
    ]
}

fn accepted(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-accepted")?;
    let args = ["sa/web", "--region", "eu-central-1"];
    compare("probe-accepted", &["probe", "sa/web"], &hidden(aws.probe(&args)?))?;
    let said = aws.said(0)?;
    ensure!(said["verdict"] == "Accepted" && said["causes"] == json!([]), "{said}");
    let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/my-role/podidentity-probe");
    ensure!(said["answer"]["assumedRoleArn"] == session.as_str(), "{said}");
    let seen = aws.sts.seen();
    ensure!(seen.len() == 2, "each command asks once: {seen:?}");
    ensure!(seen[0].subject == "system:serviceaccount:probe-accepted:web" && seen[0].role == ROLE, "{seen:?}");
    Ok(())
}

/// A change of the double's world, the expected error code, and the beginning of the expected
/// causes.
type Refusal = (fn(&mut World), &'static str, &'static str);

const REFUSALS: [Refusal; 9] = [
    (|world| world.roles.clear(), "AccessDenied", "TrustPolicy"),
    (|world| world.role(ROLE, &trust_policy("probe-refused", "api")), "AccessDenied", "TrustPolicy"),
    (|world| world.providers.clear(), "InvalidIdentityToken", "NoIdentityProvider"),
    (|world| unknown_audience(world), "InvalidIdentityToken", "AudienceUnknown"),
    (|world| no_keys(world), "InvalidIdentityToken", "KeyUnknown"),
    // If AWS has one message for all errors, the plugin's own lookup decides: it cannot fetch this
    // issuer's documents.
    (|world| terse(world, |world| world.providers.clear()), "InvalidIdentityToken", "KeyUnknown"),
    (|world| terse(world, unknown_audience), "InvalidIdentityToken", "KeyUnknown"),
    (|world| terse(world, no_keys), "InvalidIdentityToken", "KeyUnknown"),
    (|world| world.disabled.extend([ACCOUNT.to_owned()]), "RegionDisabledException", "RegionDisabled"),
];

fn unknown_audience(world: &mut World) {
    world.providers.values_mut().for_each(|provider| provider.client_ids = vec!["kubernetes".to_owned()]);
}

fn no_keys(world: &mut World) {
    world.providers.values_mut().for_each(|provider| provider.has_keys = false);
}

fn terse(world: &mut World, change: fn(&mut World)) {
    world.messages = Messages::Terse;
    change(world);
}

fn refused(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-refused")?;
    let mut right = World::default();
    aws.sts.change(|world| right = world.clone());
    for (number, (change, code, reason)) in REFUSALS.into_iter().enumerate() {
        aws.sts.change(|world| *world = right.clone());
        aws.sts.change(change);
        let said = aws.said(1)?;
        ensure!(said["verdict"] == "Refused" && said["answer"]["code"] == code, "case {number}: {said}");
        ensure!(reasons(&said).first() == Some(&reason), "case {number}: {said}");
        ensure!(said["answer"]["requestId"].as_str().is_some_and(|id| id.len() == 36), "case {number}: {said}");
        let looked = said["keys"]["found"].as_str();
        ensure!(looked == (code == "InvalidIdentityToken").then_some("Nothing"), "case {number}: {said}");
    }
    aws.sts.change(|world| *world = right.clone());
    let said = aws.said_of(&["sa/web", "--role-arn", OTHER_ROLE], 1)?;
    ensure!(reasons(&said)[..2] == ["TrustPolicy", "RoleMissing"], "{said}");
    let said = aws.said_of(&["sa/web", "--role", "arn:aws-cn:iam::111122223333:role/my-role"], 1)?;
    ensure!(said["answer"]["code"] == "ValidationError" && reasons(&said)[0] == "NotARole", "{said}");
    let said = aws.said_of(&["sa/web", "--audience", "another.example.com"], 1)?;
    ensure!(said["token"]["audiences"] == json!(["another.example.com"]), "{said}");
    ensure!(reasons(&said)[0] == "AudienceUnknown", "{said}");
    aws.sts.change(|world| world.roles.clear());
    compare("probe-access-denied", &["probe", "sa/web"], &hidden(aws.probe(&["sa/web"])?))?;
    aws.sts.change(|world| world.providers.clear());
    let found = hidden(aws.probe(&["sa/web"])?);
    let found = Outcome { stdout: reach_hidden(&found.stdout), ..found };
    compare("probe-invalid-identity-token", &["probe", "sa/web"], &found)
}

/// The machine's reason why it cannot reach a host in the cluster's network varies.
fn reach_hidden(text: &str) -> String {
    let hidden = |line: &str| match line.split_once(" cannot be used: ") {
        Some((before, _)) => format!("{before} cannot be used: WHY\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(hidden).collect()
}

fn transient(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-transient")?;
    aws.sts.change(|world| world.faults.extend([Fault::Throttled, Fault::Internal]));
    aws.said(0)?;
    ensure!(aws.requests() == 3, "{:?}", aws.sts.seen());
    for (fault, reason) in
        [(Fault::Throttled, "Throttled"), (Fault::Internal, "Trouble"), (Fault::Issuer, "KeyUnknown")]
    {
        let before = aws.requests();
        aws.sts.change(|world| world.always = Some(fault.clone()));
        let said = aws.said(2)?;
        ensure!(said["verdict"] == "CannotTell" && reasons(&said) == [reason], "{said}");
        ensure!(aws.requests() == before + 3, "{fault:?}: {:?}", aws.sts.seen());
    }
    Ok(())
}

fn not_aws(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-not-aws")?;
    let other = Fault::OtherSubject("system:serviceaccount:kube-system:admin".to_owned());
    for (fault, words, reason) in [
        (Fault::Page(403), "a web page with the title Proxy: access denied (HTTP 403)", "NotAws"),
        (Fault::Page(200), "a web page with the title Proxy: access denied (HTTP 200)", "NotAws"),
        (Fault::Empty(502), "an empty answer (HTTP 502)", "Trouble"),
        (Fault::Truncated, "XML that breaks off (HTTP 200)", "Trouble"),
        (other, "an answer about somebody else: system:serviceaccount:kube-system:admin", "NotAws"),
    ] {
        aws.sts.change(|world| world.always = Some(fault));
        let said = aws.said(2)?;
        ensure!(said["verdict"] == "CannotTell" && reasons(&said)[0] == reason, "{said}");
        ensure!(said["answer"]["message"].as_str().is_some_and(|message| message.starts_with(words)), "{said}");
    }
    aws.sts.change(|world| world.always = Some(Fault::Page(403)));
    compare("probe-proxy-page", &["probe", "sa/web"], &hidden(aws.probe(&["sa/web"])?))?;
    aws.sts.change(|world| world.always = Some(Fault::Hang(Duration::from_secs(60))));
    let said = aws.said_of(&["sa/web", "--request-timeout", "5s"], 2)?;
    let words = "it takes too long: no answer within 5s";
    ensure!(said["answer"]["message"] == words && reasons(&said) == ["Unreachable"], "{said}");
    // The port is closed from now on.
    let Aws { plugin, sts, namespace } = aws;
    let url = sts.url();
    drop(sts);
    let outcome = plugin.run(&["probe", "-n", namespace, "sa/web", "--endpoint", &url])?;
    ensure!(outcome.status == 2 && outcome.stdout.contains("No answer: there is no connection"), "{}", outcome.stdout);
    Ok(())
}

fn clocks(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-clocks")?;
    for (hours, code, words) in [
        (1, "ExpiredTokenException", "the cluster is 60 minutes behind AWS"),
        (-1, "InvalidIdentityToken", "the cluster is 60 minutes ahead of AWS"),
    ] {
        aws.sts.change(|world| world.clock = SignedDuration::from_hours(hours));
        let said = aws.said(1)?;
        ensure!(said["answer"]["code"] == code && reasons(&said)[0] == "Clock", "{said}");
        let tells = said["causes"][0]["tells"].as_str().unwrap_or_default();
        // The two clocks may read different minutes.
        let alike = words.replace("60 minutes", "59 minutes");
        ensure!(tells.ends_with(words) || tells.ends_with(&alike), "{said}");
    }
    Ok(())
}

/// Follows the plugin's advice; then AWS accepts the token.
fn repaired(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-repaired")?;
    let wrong = trust_policy(aws.namespace, "api");
    aws.sts.change(|world| world.role(ROLE, &wrong));
    let said = aws.said(1)?;
    let next = said["causes"][0]["next"].as_str().unwrap_or_default();
    let (_, command) = next.split_once(" | kubectl podidentity ").context("the policy is to be judged")?;
    let args: Vec<&str> = command.split(' ').collect();
    let corrected = plugin.run_with(&[&args[..], &["-o", "policy"]].concat(), &wrong, &[])?;
    ensure!(corrected.status == 0, "{}", corrected.stderr);
    aws.sts.change(|world| world.role(ROLE, &corrected.stdout));
    aws.said(0)?;
    // The other service account is still admitted.
    aws.account("api", ROLE)?;
    aws.said_of(&["sa/api"], 0)?;
    Ok(())
}

fn all_bindings(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-all")?;
    let client = Handle::current().block_on(kubeconfig::client(plugin.kubeconfig()))?;
    let bindings = Api::namespaced(client, aws.namespace);
    let none = aws.probe(&["--all"])?;
    ensure!(none.status == 0 && none.stderr.contains("no bindings in namespace probe-all"), "{}", none.stderr);
    let create = |name: &str, account: &str, role: &str| -> Result<()> {
        let binding = fixtures::binding(name, account, role)?;
        Handle::current().block_on(bindings.create(&PostParams::default(), &binding))?;
        Ok(())
    };
    create("web", "web", ROLE)?;
    ensure!(aws.probe(&["--all"])?.status == 0, "one is accepted");
    create("absent", "absent", ROLE)?;
    ensure!(aws.probe(&["--all"])?.status == 2, "one is not known");
    aws.account("api", OTHER_ROLE)?;
    create("api", "api", OTHER_ROLE)?;
    let outcome = aws.probe(&["--all"])?;
    compare("probe-all", &["probe", "--all"], &outcome)?;
    let said = aws.said_of(&["--all"], 1)?;
    let verdicts: Vec<_> =
        said.as_array().into_iter().flatten().map(|line| (&line["object"], &line["verdict"])).collect();
    ensure!(
        json!(verdicts) == json!([["pib/absent", "CannotTell"], ["pib/api", "Refused"], ["pib/web", "Accepted"]]),
        "{said}"
    );
    Ok(())
}

fn no_right(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-no-right")?;
    let outcome = aws.probe(&["sa/web", "--as", LOOKER_NAME])?;
    compare("probe-no-right", &["probe", "sa/web", "--as", LOOKER_NAME], &outcome)?;
    ensure!(outcome.status == 2 && aws.requests() == 0, "{:?}", aws.sts.seen());
    Ok(())
}

fn asked_wrongly(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-wrongly")?;
    aws.plugin.kubectl(&["-n", aws.namespace, "create", "serviceaccount", "plain"])?;
    let no_region = [("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "")];
    let run = |args: &[&str]| plugin.run_with(&[&["probe", "-n", aws.namespace], args].concat(), "", &no_region);
    for (args, words) in [
        (&["sa/web"][..], "give --region, that of the pods"),
        (&["sa/web", "--region", "eu"], "eu is no AWS region"),
        (&["sa/web", "--region", "xx-west-1"], "is of no partition of AWS that is known"),
        (&["sa/web", "--region", "cn-north-1"], "region cn-north-1 is of the partition aws-cn, and the role is of aws"),
        (
            &["sa/web", "--endpoint", "http://sts.example.com"],
            "the token would be sent for everybody to read; write https",
        ),
        (&["sa/web", "--endpoint", "sts.example.com"], "write scheme and host"),
        (&["sa/web", "--role-arn", "my-role"], "is not the ARN of an IAM role"),
        (&["sa/web", "--audience", ""], "a value is required"),
        (&["sa/plain"], "sa/plain has no role: give --role-arn"),
        (&["sa/wep"], "there is no sa/wep in namespace probe-wrongly; did you mean web?"),
        (&["deploy/web"], "deploy/web has no token of its own: write sa/NAME or pib/NAME"),
        (&["sa/web", "sa/plain"], "one object at a time; --all takes every binding"),
        (&["-A"], "--all"),
        (&["--all", "sa/web"], "cannot be used with"),
    ] {
        let outcome = run(args)?;
        ensure!(outcome.status == 2 && outcome.stderr.contains(words), "{args:?}: {}", outcome.stderr);
        aws.keeps_secrets(&outcome)?;
    }
    ensure!(aws.requests() == 0, "{:?}", aws.sts.seen());
    Ok(())
}

/// Records the console blocks of `docs/probe.md`. The page shows AWS's address in place of the
/// double's.
fn page(plugin: &Plugin) -> Result<()> {
    let aws = Aws::start(plugin, "probe-page")?;
    aws.account("other", ROLE)?;
    record("docs/probe.md", |args| {
        // The harness passes these arguments itself.
        let args = args.strip_prefix(&["probe", "-n", aws.namespace]).context("begins with probe -n NAMESPACE")?;
        let outcome = aws.probe_with(args, &[COLUMNS])?;
        let text = pretty(&key_line_shortened(&outcome.stdout));
        Ok(text.replace(&aws.sts.url(), "https://sts.eu-central-1.amazonaws.com"))
    })
}

/// Every control plane has its own keys.
fn key_line_shortened(text: &str) -> String {
    let shortened = |line: &str| match line.trim_start().strip_prefix("key ") {
        Some(_) => "  key       fT5nK0qzB7c1 (RS256)\n".to_owned(),
        None => format!("{line}\n"),
    };
    text.lines().map(shortened).collect()
}
