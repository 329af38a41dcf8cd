//! The commands, and the function that runs each of them.

use std::io::Write;

use clap::{CommandFactory as _, Parser, Subcommand};
use podidentity_cluster::write::edit::Edit;

use crate::adopt::{self, AdoptArgs};
use crate::check::{self, CheckArgs};
use crate::cluster::Failure;
use crate::complete::{self, CompleteArgs};
use crate::exit::Exit;
use crate::explain::{self, ExplainArgs};
use crate::inject::{self, InjectArgs};
use crate::lint::{self, LintArgs};
use crate::plan::{self, PlanArgs};
use crate::probe::{self, ProbeArgs};
use crate::report::{self, ReportArgs};
use crate::status::{self, StatusArgs};
use crate::trust::{self, TrustArgs};
use crate::verify::{self, VerifyArgs};
use crate::version::{self, VersionArgs};
use crate::write::{self, ReleaseArgs, ResumeArgs, SuspendArgs};

/// Pods that act as AWS IAM roles: what is wrong with them, before and after they run.
#[derive(Debug, Parser)]
#[command(name = "kubectl-podidentity", bin_name = "kubectl podidentity", version, about, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Check(CheckArgs),
    Status(StatusArgs),
    Explain(ExplainArgs),
    Trust(TrustArgs),
    Probe(ProbeArgs),
    Verify(VerifyArgs),
    Plan(PlanArgs),
    Adopt(AdoptArgs),
    Report(ReportArgs),
    Release(ReleaseArgs),
    Suspend(SuspendArgs),
    Resume(ResumeArgs),
    Lint(LintArgs),
    Inject(InjectArgs),
    Version(VersionArgs),
    #[command(name = "__complete", hide = true)]
    Complete(CompleteArgs),
}

impl Cli {
    /// Runs the command. `colour` says whether findings are coloured.
    pub(crate) fn run(&self, out: &mut dyn Write, colour: bool) -> Result<Exit, Failure> {
        match &self.command {
            Command::Inject(args) => inject::run(args, out).map_err(Failure::from),
            Command::Lint(args) => lint::run(args, out, colour).map_err(Failure::from),
            Command::Version(args) => version::run(args, out),
            Command::Check(args) => check::run(args, out),
            Command::Status(args) => status::run(args, out),
            Command::Explain(args) => explain::run(args, out),
            Command::Trust(args) => trust::run(args, out),
            Command::Probe(args) => probe::run(args, out),
            Command::Verify(args) => verify::run(args, out),
            Command::Plan(args) => plan::run(args, out),
            Command::Adopt(args) => adopt::run(args, out),
            Command::Complete(args) => complete::run(args, &mut Cli::command(), out),
            Command::Report(args) => report::run(args, out),
            Command::Release(args) => write::run(&args.write, Edit::Release, out),
            Command::Suspend(args) => write::run(&args.write, Edit::Suspend(true), out),
            Command::Resume(args) => write::run(&args.write, Edit::Suspend(false), out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use podidentity_core::settings::Settings;

    use super::*;

    #[test]
    fn flags_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Output and documentation always put flags after the command, although the plugin also
    /// accepts flags before it.
    #[test]
    fn no_output_or_page_prints_a_flag_before_the_command() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut printed = 0;
        for folder in ["tests/cases", "../core/tests/cases", "../../e2e/tests/cli/snapshots", "../../docs"] {
            for entry in walkdir::WalkDir::new(root.join(folder)) {
                let path = entry.unwrap().into_path();
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                printed += text.matches("kubectl podidentity ").count();
                assert!(!text.contains("kubectl podidentity -"), "{}", path.display());
            }
        }
        assert!(printed > 100, "only {printed} commands were found");
    }

    #[test]
    fn values_are_those_that_the_webhook_takes() {
        for (flags, expected) in [
            (&["--default-token-expiration", "60"][..], Settings { token_expiration: 600, ..Settings::default() }),
            (&["--default-token-expiration", "-1"], Settings { token_expiration: 600, ..Settings::default() }),
            (&["--aws-default-region", ""], Settings::default()),
        ] {
            let args = ["kubectl-podidentity", "lint", "-f", "-"].iter().chain(flags);
            let Command::Lint(args) = Cli::parse_from(args).command else { panic!("not lint") };
            assert_eq!(args.webhook.settings(), expected, "{flags:?}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_webhook() {
        let Command::Lint(args) = Cli::parse_from(["kubectl-podidentity", "lint", "-f", "-"]).command else {
            panic!("not lint")
        };
        assert_eq!(args.webhook.settings(), Settings::default());
    }

    #[test]
    fn kubectl_is_answered_as_cobra_does() {
        let answer = |words: &[&str]| {
            let words = words.iter().map(OsString::from).collect();
            let mut out = Vec::new();
            complete::run(&CompleteArgs { words }, &mut Cli::command(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let commands = answer(&["ver"]);
        assert!(commands.starts_with("verify\tFail unless every pod has its role\n"), "{commands}");
        assert!(commands.ends_with(":4\n"), "{commands}");
        let formats = answer(&["verify", "-o", "ju"]);
        assert!(formats.starts_with("junit"), "{formats}");
        let kinds = answer(&["explain", "de"]);
        assert_eq!(kinds, "deploy/\n:6\n");
    }
}
