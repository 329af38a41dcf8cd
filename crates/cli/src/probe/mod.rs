//! `probe`: asks AWS itself whether a service account may assume its role.
//!
//! ```text
//! cluster ──► question (account, role, audience) ──► token ──► AWS STS ──► outcome ──► causes ──► text, JSON
//!                                                                 └──► keys of the issuer, where these are in doubt
//! ```

mod all;
mod ask;
mod outcome;
mod question;
mod region;
mod render;

use std::io::Write;

use clap::{Args, ValueEnum};
use podidentity_cluster::sts::{Options, Sts};
use podidentity_core::arn::RoleArn;
use podidentity_core::sts::{Endpoint, Region};

use crate::cluster::{Failure, Session, block_on};
use crate::exit::Exit;
use crate::flags::{ConnectionArgs, ScopeArgs, USER_AGENT, completion};
use crate::messages::Messages;
use crate::output::document;
use crate::paint::Paint;

use ask::Asker;

/// Ask AWS whether a service account may assume its role
///
/// Gets a token of the service account from the API server, with your own rights, and calls
/// AssumeRoleWithWebIdentity of AWS STS with it, as an SDK in a pod does. Prints what the token says, the words of
/// AWS, what they can mean, what tells the causes apart, and the next command.
///
/// The credentials in the answer are limited to nothing, and dropped unseen; neither they nor the token are printed or
/// stored. What is proven is the service account: a pod may have another region, proxy or SDK.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Can the pods of a service account assume its role?
  kubectl podidentity probe sa/my-service-account

  # Could they assume another one?
  kubectl podidentity probe pib/my-app --role-arn arn:aws:iam::111122223333:role/new-role

  # All bindings of the cluster, for a program
  kubectl podidentity probe --all -A -o json

The region is that of --region, else that of an EKS cluster's issuer, else that of AWS_REGION or AWS_DEFAULT_REGION.
HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE (certificates of authorities to trust instead of the built-in ones) are honoured.

You need the right to create serviceaccounts/token in the namespace, and to list what the other commands list.

Exit status: 0 if the role can be assumed, 1 if AWS refuses, 2 if that cannot be told: AWS cannot be reached, or there is
no token. With --all the worst of all, a refusal before a doubt.")]
pub(crate) struct ProbeArgs {
    /// sa/NAME or pib/NAME
    #[arg(value_name = "KIND/NAME", add = completion::objects(None), required_unless_present = "all")]
    pub(crate) object: Vec<String>,

    /// Every binding of the namespace; with -A, of the cluster
    #[arg(long, conflicts_with_all = ["object", "role_arn", "audience"])]
    pub(crate) all: bool,

    /// The namespace; default: that of the context
    #[arg(short, long, add = completion::namespaces())]
    pub(crate) namespace: Option<String>,

    /// With --all: all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace", requires = "all")]
    pub(crate) all_namespaces: bool,

    /// The role; default: that of the service account or binding
    #[arg(long, visible_alias = "role", value_name = "ARN", value_parser = role_arn)]
    pub(crate) role_arn: Option<RoleArn>,

    /// The token's audience; default: that of the service account or binding
    #[arg(long, value_name = "AUDIENCE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) audience: Option<String>,

    /// The region whose STS is asked
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub(crate) region: Option<Region>,

    /// Ask the endpoint with validated cryptography (FIPS)
    #[arg(long, env = "AWS_USE_FIPS_ENDPOINT", num_args = 0..=1, default_value_t = false, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) fips: bool,

    /// Another endpoint of STS, such as that of a VPC; it receives the token. https, or http on this machine
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    pub(crate) endpoint: Option<Endpoint>,

    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// To read
    Text,
    /// All that is known
    Json,
}

fn role_arn(text: &str) -> Result<RoleArn, String> {
    text.parse().map_err(|error: podidentity_core::arn::ArnError| error.to_string())
}

fn region(text: &str) -> Result<Region, String> {
    text.parse().map_err(|error: podidentity_core::sts::RegionError| error.to_string())
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::custom(text, None).map_err(|error| error.to_string())
}

/// Runs the command.
pub(crate) fn run(args: &ProbeArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    block_on(async {
        let scope =
            ScopeArgs { namespace: args.namespace.clone(), all_namespaces: args.all_namespaces, selector: None };
        let session = Session::open(&args.connection, &scope).await?;
        let mut options = Options::from_environment(USER_AGENT);
        if let Some(timeout) = args.connection.request_timeout.filter(|timeout| !timeout.is_zero()) {
            options.timeout = timeout;
        }
        let sts = Sts::new(options).map_err(|error| Failure::Other(error.to_string()))?;
        let asker = Asker { connection: session.connection.clone(), sts, choice: region::Choice::of(args) };
        if args.all {
            let (questions, notes) = question::all(&session).await?;
            Messages::new().notes(&notes);
            let outcomes = all::ask(&asker, questions).await;
            return all::write(&outcomes, args.output, Paint::of_stdout(), &session.place(), out);
        }
        let question = question::one(args, &session).await?;
        let outcome = asker.ask(question).await.map_err(|error| Failure::Other(error.to_string()))?;
        match args.output {
            Output::Text => render::text(&outcome, Paint::of_stdout()).print(out)?,
            Output::Json => document::json(&outcome, out)?,
        }
        Ok(outcome.verdict.exit())
    })
}
