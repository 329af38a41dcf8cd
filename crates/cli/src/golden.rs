//! Golden tests of the commands that read a cluster. Each case is a folder
//! `tests/cases/cluster/<a sentence>/` with the cluster in `input.yaml`, one command per line in
//! `args`, and the expected output in `expected.txt`. `UPDATE=1` rewrites `expected.txt`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use clap::Parser as _;
use jiff::Timestamp;
use podidentity_cluster::index::{Index, Object};
use podidentity_core::injector::Injectors;
use podidentity_core::objects::{
    DaemonSet, Deployment, Namespace, ObservedBinding, ObservedPod, ServiceAccount, StatefulSet,
};
use podidentity_core::settings::Settings;
use podidentity_core::snapshot::{Config, Snapshot};
use podidentity_core::trust::Policy;

use crate::accounts::entries;
use crate::command::{Cli, Command};
use crate::explain::Around;
use crate::flags::{TargetKind, target};
use crate::manifest::{self, objects};
use crate::paint::Paint;
use crate::read::Input;
use crate::view::{View, views};
use crate::yaml::{decode, json};
use crate::{adopt, explain, plan, report, status, trust, verify};

/// The current time in all cases.
const NOW: &str = "2026-01-02T00:00:00Z";

fn filed(object: &manifest::Object<'_>) -> Object {
    fn read<K: serde::de::DeserializeOwned>(object: &manifest::Object<'_>) -> K {
        decode(object.node).unwrap_or_else(|error| panic!("{}: {}", object.title(), error.message))
    }
    match object.kind.as_str() {
        "PodIdentityBinding" => Object::binding(read::<ObservedBinding>(object)),
        "ServiceAccount" => Object::ServiceAccount(Arc::new(read::<ServiceAccount>(object))),
        "Deployment" => Object::workload(read::<Deployment>(object)),
        "StatefulSet" => Object::workload(read::<StatefulSet>(object)),
        "DaemonSet" => Object::workload(read::<DaemonSet>(object)),
        "Pod" => Object::pod(read::<ObservedPod>(object)),
        "Namespace" => Object::Namespace(Arc::new(read::<Namespace>(object))),
        other => panic!("{other} is not known here"),
    }
}

/// The cluster of a case.
pub(crate) struct Cluster {
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) around: Around,
}

pub(crate) fn cluster(text: &str) -> Cluster {
    let input = Input::of_text(text);
    assert!(input.problems.is_empty(), "{:?}", input.problems);
    let index = Index::default();
    let mut injectors = Vec::new();
    let all: Vec<manifest::Object<'_>> = input.documents().flat_map(objects).collect();
    let settings = Settings { entries: entries(&all, "kube-system").unwrap(), ..Settings::default() };
    for object in &all {
        match object.kind.as_str() {
            kind if kind.starts_with("Mutating") => injectors.push(json(object.node).unwrap()),
            "ConfigMap" => {} // the webhook's
            _ => drop(index.apply(filed(object))),
        }
    }
    let issuer = Some("https://oidc.example.com/id/1".to_owned());
    let config = Arc::new(Config { settings, issuer, ..Config::default() });
    let now: Timestamp = NOW.parse().unwrap();
    let mut keys = index.known();
    keys.sort();
    let snapshots: Vec<Snapshot> = keys.iter().filter_map(|key| index.look(key, &config, now)).collect();
    let mut around = Around::default();
    for snapshot in &snapshots {
        around.note(snapshot);
    }
    around.without_bindings = text.starts_with("# PodIdentityBinding is not installed\n");
    // A case without injectors does not test them.
    around.injectors = (!injectors.is_empty()).then(|| Injectors::of(injectors.iter()));
    Cluster { snapshots, around }
}

#[expect(clippy::too_many_lines, reason = "one arm for each command")]
pub(crate) fn said(command: &str, Cluster { snapshots, around }: &Cluster, case: &Path) -> String {
    let words = std::iter::once("kubectl-podidentity").chain(command.split_whitespace());
    let mut out = Vec::new();
    let paint = Paint::plain();
    let all = || {
        let mut all: Vec<View> = snapshots.iter().flat_map(views).collect();
        all.sort_by(|a, b| a.order().cmp(&b.order()));
        all
    };
    match Cli::parse_from(words).command {
        Command::Status(args) => {
            let targets = target::parse(&args.names, Some(TargetKind::Binding)).unwrap();
            let views = status::named(all(), &targets, "here").unwrap();
            let detail = status::Detail { namespaces: args.scope.all_namespaces, everything: !targets.is_empty() };
            status::write(&views, &args.output, detail, paint, &mut out).unwrap();
        }
        Command::Explain(args) => {
            let target = target::parse(&args.object, None).unwrap().remove(0);
            let snapshot = snapshots.iter().find(|snapshot| explain::contains(snapshot, &target)).unwrap();
            explain::write(&explain::tell(snapshot, &target, None, around), args.output, paint, &mut out).unwrap();
        }
        Command::Verify(args) => {
            let views = all();
            verify::write(&views, args.output, paint, args.scope.all_namespaces, &mut out).unwrap();
            out.extend(format!("exit: {:?}\n", verify::exit(&views)).into_bytes());
        }
        Command::Plan(args) => {
            let planned: Vec<_> = snapshots.iter().filter_map(|it| plan::planned(it, plan::Change::None)).collect();
            plan::write(&planned, args.output, paint, &mut out).unwrap();
        }
        Command::Adopt(args) => {
            let proposals: Vec<_> = snapshots.iter().filter_map(|it| adopt::propose(it, args.on_conflict())).collect();
            adopt::write(&proposals, &mut out).unwrap();
            out.extend(
                proposals
                    .iter()
                    .flat_map(|proposal| &proposal.notes)
                    .flat_map(|note| format!("note: {note}\n").into_bytes()),
            );
            out.extend(adopt::summary(&proposals, "here").into_bytes());
        }
        Command::Trust(args) => {
            let target = target::parse(&args.object, None).unwrap().remove(0);
            let snapshot = snapshots.iter().find(|snapshot| explain::contains(snapshot, &target)).unwrap();
            let policy =
                args.file.as_ref().map(|file| Policy::read(&fs::read_to_string(case.join(file)).unwrap()).unwrap());
            let question = trust::ask(snapshot, &target).unwrap();
            let answer = trust::answer(question, args.file.as_deref(), policy.as_ref(), None).unwrap();
            let exit = trust::write(&answer, args.output, paint, &mut out).unwrap();
            out.extend(format!("exit: {exit:?}\n").into_bytes());
        }
        Command::Report(_) => {
            let about = report::About {
                server: "https://example.com".to_owned(),
                place: "all namespaces".to_owned(),
                now: NOW.parse().unwrap(),
                notes: Vec::new(),
            };
            report::page(&all(), &about, &mut out).unwrap();
        }
        other => panic!("{other:?} does not read a cluster"),
    }
    String::from_utf8(out).unwrap()
}

/// Removes the plugin's version, so that a release does not change the expected output.
fn without_version(text: &str) -> String {
    let version = concat!("\"semanticVersion\": \"", env!("CARGO_PKG_VERSION"), "\"");
    text.replace(version, "\"semanticVersion\": \"VERSION\"")
}

#[test]
fn clusters_are_told_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/cluster");
    let mut cases: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    let mut differences = String::new();
    for case in cases {
        let cluster = cluster(&fs::read_to_string(case.join("input.yaml")).unwrap());
        let mut found = String::new();
        for command in fs::read_to_string(case.join("args")).unwrap().lines() {
            let _ = write!(found, "$ kubectl podidentity {command}\n{}\n", said(command, &cluster, &case).trim_end());
        }
        let found = without_version(&found);
        let path = case.join("expected.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if expected != found {
            let _ = write!(differences, "--- {}\nexpected:\n{expected}\nfound:\n{found}\n", path.display());
        }
    }
    assert!(differences.is_empty(), "{differences}UPDATE=1 rewrites them");
}
