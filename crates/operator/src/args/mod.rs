//! Flags. Each can also be given as an environment variable.

mod election;
mod injection;
mod logs;
mod preflight;
mod values;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use podidentity_cluster::http::fence::WriteScope;
use podidentity_cluster::watch::WatchScope;
use podidentity_core::objects::RoleObjectKind;
use podidentity_core::selector::NamespaceSelector;

pub(crate) use election::ElectionArgs;
pub(crate) use injection::InjectionArgs;
pub(crate) use logs::LogArgs;
pub(crate) use preflight::PreflightArgs;

use crate::version;

/// Links service accounts to AWS IAM roles and proves that running pods have them.
#[derive(Debug, Parser)]
#[command(
    version,
    long_version = version::long(),
    after_help = "The cluster is found as kubectl finds it (KUBECONFIG, ~/.kube/config), or by the pod's service account.",
    max_term_width = 120
)]
pub(crate) struct Args {
    /// Namespaces to look after, separated by commas, with rights in these and nowhere else: see
    /// config/namespaced. Default: the whole cluster.
    #[arg(long, env = "PODIDENTITY_NAMESPACES", value_name = "NAME,...", value_delimiter = ',', value_parser = values::namespace)]
    namespaces: Vec<String>,

    /// Label selector, as kubectl -l takes it, of the namespaces whose bindings are looked after, for example
    /// env=prod,team in (a,b),!legacy. Other namespaces are left as they are. Not with --namespaces. Default: all.
    #[arg(long, env = "PODIDENTITY_NAMESPACE_SELECTOR", value_name = "SELECTOR", value_parser = values::namespace_selector)]
    pub(crate) namespace_selector: Option<NamespaceSelector>,

    /// How many workloads of the whole cluster may be in a restart of ours at the same time.
    #[arg(long, env = "PODIDENTITY_MAX_CONCURRENT_ROLLOUTS", value_name = "NUMBER", default_value_t = 10, value_parser = values::positive)]
    pub(crate) max_concurrent_rollouts: usize,

    /// How many identities are worked on at the same time.
    #[arg(long, env = "PODIDENTITY_CONCURRENCY", value_name = "NUMBER", default_value_t = 16, value_parser = values::positive)]
    pub(crate) concurrency: usize,

    /// Act only on bindings whose role the namespace grants by its annotation
    /// podidentity.dev/allowed-role-arns.
    #[arg(long, env = "PODIDENTITY_REQUIRE_GRANTS")]
    pub(crate) require_grants: bool,

    /// Kinds of objects that spec.roleRef of a binding may refer to, separated by commas. Each needs the rights to list and
    /// watch it: see config/role-references. Default: none.
    #[arg(
        long,
        env = "PODIDENTITY_ROLE_REFERENCES",
        value_name = "KIND,...",
        value_delimiter = ',',
        value_parser = values::role_object(),
        help_heading = "Roles"
    )]
    role_references: Vec<RoleObjectKind>,

    /// Only show what would be done.
    #[arg(long, env = "PODIDENTITY_DRY_RUN", value_name = "MODE", default_value = "off", num_args = 0..=1, default_missing_value = "report", require_equals = true)]
    pub(crate) dry_run: DryRun,

    /// Address of the HTTP server: /metrics, /livez, /readyz. The default is every address, IPv6 and IPv4.
    #[arg(long, env = "PODIDENTITY_LISTEN", value_name = "ADDRESS", default_value = "[::]:8080", value_parser = values::address, help_heading = "Health")]
    pub(crate) listen: SocketAddr,

    /// How long a watch may give no sign of life, not even a bookmark (at least one in two
    /// minutes), or work wait while nothing is finished, until /livez says so; one reconcile may
    /// take three times as long. At least 150s.
    #[arg(long, env = "PODIDENTITY_STALLED_AFTER", value_name = "DURATION", default_value = "5m", value_parser = values::silence, help_heading = "Health")]
    pub(crate) stalled_after: Duration,

    /// Metrics with the namespace and the name of each binding. auto shows them while there are no more than 2000
    /// bindings.
    #[arg(
        long,
        env = "PODIDENTITY_METRICS_PER_BINDING",
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Health"
    )]
    pub(crate) metrics_per_binding: MetricsPerBinding,

    #[command(flatten)]
    pub(crate) election: ElectionArgs,

    #[command(flatten)]
    pub(crate) injection: InjectionArgs,

    #[command(flatten)]
    pub(crate) preflight: PreflightArgs,

    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

/// What is written of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// Everything: this is no dry run.
    Off,
    /// Statuses and events only; they and the log say what would be done.
    Report,
    /// Nothing; the log says what would be done. Takes no part in leader election, so it may run
    /// beside an operator that works.
    Silent,
}

/// When the metrics of single bindings are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MetricsPerBinding {
    /// While there are not too many bindings.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl DryRun {
    /// What a dry run of this kind may write.
    pub(crate) fn write_scope(self) -> WriteScope {
        match self {
            Self::Off => WriteScope::Everything,
            Self::Report => WriteScope::Reports,
            Self::Silent => WriteScope::Nothing,
        }
    }
}

impl Args {
    /// The part of the cluster that is watched.
    pub(crate) fn watch_scope(&self) -> WatchScope {
        if self.namespaces.is_empty() {
            return WatchScope::Cluster;
        }
        WatchScope::Namespaces(self.namespaces.iter().cloned().collect())
    }

    /// The kinds of objects that are watched for `spec.roleRef`.
    pub(crate) fn role_objects(&self) -> BTreeSet<RoleObjectKind> {
        self.role_references.iter().copied().collect()
    }

    /// Checks what clap cannot: how the flags fit together.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.namespace_selector.is_some() && !self.namespaces.is_empty() {
            return Err("--namespace-selector is for an operator of the whole cluster and cannot be combined with \
                        --namespaces (or their variables): leave --namespaces out and give the operator the rights of \
                        config/rbac, or leave the selector out and name the namespaces"
                .to_owned());
        }
        self.election.check()?;
        let of_cluster = self.role_objects().into_iter().find(|kind| kind.is_cluster_scoped());
        match of_cluster.filter(|_| !self.namespaces.is_empty()) {
            Some(kind) => Err(format!(
                "--role-references={} needs the whole cluster, because {kind} belongs to no namespace: leave it out, or leave \
                 --namespaces out",
                kind.flag()
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use podidentity_core::settings::Settings;

    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let all = ["podidentity-operator"].iter().chain(args);
        let args = Args::try_parse_from(all).map_err(|error| error.to_string())?;
        args.check().map(|()| args)
    }

    #[test]
    fn flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_webhook() {
        assert_eq!(parse(&[]).unwrap().injection.settings(), Settings::default());
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        for argument in Args::command().get_arguments() {
            let name = argument.get_long().unwrap();
            let variable = argument.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            let expected = format!("PODIDENTITY_{}", name.to_uppercase().replace('-', "_"));
            let usual_elsewhere = ["log", "otlp-endpoint"].contains(&name);
            assert!(variable == expected || usual_elsewhere, "--{name} has {variable:?}");
        }
    }

    #[test]
    fn bad_values_are_refused_with_advice() {
        for (args, advice) in [
            (&["--concurrency=0"][..], "whole number of at least 1"),
            (&["--listen=8080"], "for example [::]:8080"),
            (&["--stalled-after=5"], "for example 3m or 300s"),
            (&["--lease-duration=5"], "for example 15s or 2m"),
            (&["--stalled-after=2m"], "at least 150s"),
            (&["--dry-run=yes"], "possible values: off, report, silent"),
            (&["--metrics-per-binding=yes"], "possible values: auto, on, off"),
            (&["--lease-duration=10s", "--lease-renew-deadline=10s"], "must be shorter than the lease duration"),
            (&["--lease-retry-period=6s"], "at most half of the renew deadline"),
            (&["--aws-account=1234"], "write its 12 digits"),
            (&["--aws-account=111122223333", "--aws-partition=AWS"], "for example aws, aws-cn or aws-us-gov"),
            (
                &["--role-references=acks"],
                "possible values: configmap, ack, ack-association, upbound, upbound-namespaced, crossplane",
            ),
            (&["--role-references=ack,crossplane", "--namespaces=a"], "needs the whole cluster"),
            (&["--lease-name=My_Lease"], "lower case letters"),
            (&["--namespace-selector="], "leave the flag, or the variable, out"),
            (&["--namespace-selector=env prod"], "use =, !=, in or notin"),
            (&["--namespace-selector=env=prod", "--namespaces=a"], "leave --namespaces out"),
            (&["--log=podidentity=loud"], "for example info,podidentity_cluster=debug"),
            (&["--issuer=oidc.example.com"], "https://"),
            (&["--token-mount-path=var/run"], "absolute path"),
            (&["--annotation-domain=eks.amazonaws.com/"], "domain"),
            (&["--token-expiration=soon"], "invalid digit"),
            (&["--preflight=always"], "possible values: Never, Report, Require"),
            (&["--preflight-on-unavailable=fail"], "possible values: wait, proceed"),
            (&["--preflight-recheck=30s"], "at least 1m, for example 24h"),
            (&["--preflight-recheck=often"], "at least 1m, for example 24h"),
            (&["--sts-region=Frankfurt"], "write one such as eu-central-1"),
            (&["--sts-endpoint=sts.example.com"], "write scheme and host"),
            (&["--sts-endpoint=http://sts.example.com"], "write https"),
        ] {
            let error = parse(args).map(|_| ()).unwrap_err();
            assert!(error.contains(advice), "{args:?}: {error}");
        }
    }

    #[test]
    fn references_to_roles_are_named_as_messages_name_them() {
        for kind in RoleObjectKind::ALL {
            let args = parse(&[&format!("--role-references={}", kind.flag())]).unwrap();
            assert_eq!(args.role_objects(), BTreeSet::from([kind]));
        }
    }

    #[test]
    fn dry_run_alone_reports() {
        assert_eq!(parse(&["--dry-run"]).unwrap().dry_run, DryRun::Report);
        assert_eq!(parse(&["--dry-run=silent"]).unwrap().dry_run, DryRun::Silent);
    }

    #[test]
    fn a_namespace_selector_is_one_for_the_whole_cluster() {
        let args = parse(&["--namespace-selector=env=prod,team in (a,b),!legacy"]).unwrap();
        assert_eq!(args.watch_scope(), WatchScope::Cluster);
        assert_eq!(args.namespace_selector.unwrap().to_string(), "env=prod,team in (a,b),!legacy");
    }

    #[test]
    fn namespaces_are_separated_by_commas() {
        let scope = |flag: &str| parse(&[flag]).map(|args| args.watch_scope());
        assert_eq!(parse(&[]).unwrap().watch_scope(), WatchScope::Cluster);
        let two = ["team-a", "team-b"].map(str::to_owned).into();
        assert_eq!(scope("--namespaces=team-b,team-a,team-b").unwrap(), WatchScope::Namespaces(two));
        for wrong in ["--namespaces=", "--namespaces=a,", "--namespaces=A", "--namespaces=a.b", "--namespaces=*"] {
            let error = scope(wrong).unwrap_err();
            assert!(error.contains("for the whole cluster leave"), "{wrong}: {error}");
        }
    }
}
