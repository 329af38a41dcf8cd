//! `trust`: whether a role's trust policy lets a service account in, and what the policy has to
//! say.
//!
//! ```text
//! cluster, or flags ──► question (role, issuer, subject, audience) ──┐
//! file ──► policy ───────────────────────────────────────────────────┴──► answer: judged, corrected ──► text
//! ```

mod question;
mod render;

use std::io::{Read as _, Write};
use std::path::Path;

use clap::{Args, ValueEnum};
use podidentity_core::trust::{
    Correction, Judgement, MAX_INPUT, OidcProvider, Policy, ReadError, TrustPolicy, Verdict, WebIdentity, policy,
};
use serde::Serialize;

use crate::cluster::Failure;
use crate::exit::Exit;
use crate::flags::ConnectionArgs;
use crate::flags::TargetKind;
use crate::flags::completion;
use crate::output::document;
use crate::paint::Paint;
use crate::read::STDIN;

#[cfg(test)]
pub(crate) use question::ask;
pub(crate) use question::{Question, wanted};

/// Tell whether a role's trust policy lets a service account in
///
/// Judges the policy as IAM does, statement by statement, says where it is at fault and prints the
/// smallest correction. The policy is read from a file: as `aws iam get-role` prints it, the bare
/// document, percent-encoded or not. Without a file it prints the policy that the role needs.
///
/// Issuer, subject, audience and role are those of the service account or binding. Without one,
/// they are given by flags, and no cluster is asked. Nothing is asked of AWS.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  # Does the role of a service account trust it?
  aws iam get-role --role-name my-role | kubectl podidentity trust sa/my-service-account -f -

  # The policy for a new role
  kubectl podidentity trust pib/my-app -o policy > trust.json
  aws iam create-role --role-name my-role --assume-role-policy-document file://trust.json

  # An existing policy, corrected
  aws iam get-role --role-name my-role | kubectl podidentity trust pib/my-app -f - -o policy > trust.json
  aws iam update-assume-role-policy --role-name my-role --policy-document file://trust.json

  # Without a cluster
  kubectl podidentity trust -f trust.json --issuer https://oidc.example.com/id/1 \\
    --subject system:serviceaccount:shop:web

Exit status: 0 if the policy allows, 1 if it denies, 2 if that cannot be told or some input could not be read. With -o
policy it is about the policy that is printed; without -f there is nothing to judge, and it is 0.")]
pub(crate) struct TrustArgs {
    /// sa/NAME or pib/NAME
    #[arg(value_name = "KIND/NAME", add = completion::objects(None), required_unless_present = "subject")]
    pub(crate) object: Vec<String>,

    /// The trust policy, as a file; - is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: Option<String>,

    /// What `aws iam get-open-id-connect-provider` prints of the cluster's provider, as a file; -
    /// is standard input
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath, requires = "file")]
    pub(crate) provider: Option<String>,

    /// The namespace; default: that of the context
    #[arg(short, long, add = completion::namespaces())]
    pub(crate) namespace: Option<String>,

    /// The role; default: that of the service account or binding, or of the file
    #[arg(long, value_name = "ARN", value_parser = role_arn)]
    pub(crate) role_arn: Option<podidentity_core::arn::RoleArn>,

    /// The token's subject; needs --issuer, and no cluster is asked
    #[arg(long, value_name = "SUBJECT", conflicts_with_all = ["object", "namespace"], requires = "issuer")]
    pub(crate) subject: Option<String>,

    /// The token's audience; default: that of the service account or binding
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Option<String>,

    /// How it is printed
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

fn role_arn(text: &str) -> Result<podidentity_core::arn::RoleArn, String> {
    text.parse().map_err(|error: podidentity_core::arn::ArnError| error.to_string())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// To read
    Text,
    /// All that is known
    Json,
    /// The policy as it has to be, to give to the AWS command line
    Policy,
}

/// The answer to a question.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    #[serde(flatten)]
    pub(crate) question: Question,
    /// Absent if there is no policy to judge.
    #[serde(flatten)]
    pub(crate) judgement: Option<Judgement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) correction: Option<Correction>,
    /// Why there is no correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_correction: Option<String>,
    /// The policy that the role needs. Absent if it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) policy: Option<Box<serde_json::value::RawValue>>,
    #[serde(skip)]
    pub(crate) file: Option<String>,
    /// The name of the role that the policy belongs to.
    #[serde(skip)]
    pub(crate) role_name: Option<String>,
}

/// Runs the command.
pub(crate) fn run(args: &TrustArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    if args.file.is_some() && args.file == args.provider {
        return Err(Failure::Other("-f and --provider cannot both be the same file".to_owned()));
    }
    let policy = args.file.as_deref().map(|file| read(file, Policy::read)).transpose()?;
    let provider = args.provider.as_deref().map(|file| read(file, OidcProvider::read)).transpose()?;
    let question = question::of(args, policy.as_ref())?;
    question.check()?;
    let answer = answer(question, args.file.as_deref(), policy.as_ref(), provider.as_ref())?;
    write(&answer, args.output, Paint::of_stdout(), out)
}

/// Judges the policy and corrects it.
pub(crate) fn answer(
    question: Question,
    file: Option<&str>,
    policy: Option<&Policy>,
    provider: Option<&OidcProvider>,
) -> Result<Answer, Failure> {
    let raw = |text: String| {
        serde_json::value::RawValue::from_string(text).map_err(|error| Failure::Other(error.to_string()))
    };
    let role = question.role.as_ref().map(|role| &role.0);
    let file = file.map(|file| if file == STDIN { "stdin".to_owned() } else { file.to_owned() });
    let role_name = policy.and_then(Policy::role).or(role).and_then(|role| role.role().rsplit('/').next());
    let role_name = role_name.map(str::to_owned);
    let Some(policy) = policy else {
        let needed = question.needed()?;
        let policy = Some(raw(serde_json::to_string_pretty(&needed).unwrap_or_default())?);
        return Ok(Answer {
            question,
            judgement: None,
            correction: None,
            no_correction: None,
            policy,
            file,
            role_name,
        });
    };
    let identity = question.identity();
    let judgement = policy.judge(&identity, role, provider);
    let (correction, no_correction) = match policy.correct(&identity, role) {
        Ok(correction) => (correction, None),
        Err(why) => (None, Some(why)),
    };
    let text = match (&correction, &no_correction) {
        (Some(correction), _) => Some(correction.policy.clone()),
        (None, None) => Some(policy.document()),
        (None, Some(_)) => None,
    };
    let policy = text.map(raw).transpose()?;
    Ok(Answer { question, judgement: Some(judgement), correction, no_correction, policy, file, role_name })
}

/// Prints the answer and returns the exit status.
pub(crate) fn write(answer: &Answer, output: Output, paint: Paint, out: &mut dyn Write) -> Result<Exit, Failure> {
    match output {
        Output::Text => render::text(answer, paint).print(out)?,
        Output::Json => document::json(answer, out)?,
        Output::Policy => {
            let Some(policy) = &answer.policy else {
                let why = answer.no_correction.as_deref().unwrap_or_default();
                return Err(Failure::Other(format!("there is no policy to print: {why}")));
            };
            document::json(policy, out)?;
            return Ok(Exit::Ok);
        }
    }
    Ok(match answer.judgement.as_ref().map(|judgement| judgement.verdict) {
        None | Some(Verdict::Allow) => Exit::Ok,
        Some(Verdict::Deny) => Exit::Findings,
        Some(Verdict::NotSure) => Exit::Unreadable,
    })
}

/// Reads a file, up to the maximum input size. Errors state their place in the file.
fn read<T>(file: &str, parse: impl Fn(&str) -> Result<T, Vec<ReadError>>) -> Result<T, Failure> {
    let name = if file == STDIN { "stdin" } else { file };
    let fail = |message: String| Failure::Other(format!("{name}: {message}"));
    let limit = u64::try_from(MAX_INPUT).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    let result = if file == STDIN {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else if Path::new(file).is_dir() {
        return Err(fail("is a folder: name a file".to_owned()));
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    result.map_err(|error| fail(error.to_string()))?;
    // The limit may cut a character in two. In this case, the error is the length, not the
    // encoding.
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.as_bytes().len() > MAX_INPUT => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        Err(error) if error.as_bytes().starts_with(&[0xff, 0xfe]) || error.as_bytes().starts_with(&[0xfe, 0xff]) => {
            return Err(fail("is text in UTF-16: write it as UTF-8".to_owned()));
        }
        Err(_) => return Err(fail("is not text in UTF-8".to_owned())),
    };
    parse(&text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{name}:{error}")).collect();
        Failure::Other(lines.join("\n"))
    })
}

impl Question {
    /// Fails if the question is not valid, because flags may contain anything.
    fn check(&self) -> Result<(), Failure> {
        let fail = |what: String| Err(Failure::Other(what));
        if !self.issuer.starts_with("https://") {
            return fail(format!("the issuer {:?} does not begin with https://, and AWS takes no others", self.issuer));
        }
        let mut parts = self.subject.strip_prefix("system:serviceaccount:").unwrap_or_default().split(':');
        let (namespace, name, rest) = (parts.next(), parts.next(), parts.next());
        if namespace.is_none_or(str::is_empty) || name.is_none_or(str::is_empty) || rest.is_some() {
            return fail(format!("the subject {:?} is not system:serviceaccount:NAMESPACE:NAME", self.subject));
        }
        if self.audience.is_empty() {
            return fail("the audience is empty".to_owned());
        }
        Ok(())
    }

    /// The policy that the role needs.
    fn needed(&self) -> Result<TrustPolicy, Failure> {
        let Some(role) = &self.role else {
            return Err(Failure::Other("no role is known, and so no account: give --role-arn".to_owned()));
        };
        Ok(policy(&role.0, Some(&self.issuer), &self.subject, &self.audience))
    }

    fn identity(&self) -> WebIdentity {
        WebIdentity { issuer: self.issuer.clone(), subject: self.subject.clone(), audience: self.audience.clone() }
    }

    /// The arguments that ask about the service account or binding.
    pub(crate) fn object(&self) -> String {
        match &self.object {
            Some((namespace, target)) => format!("trust -n {namespace} {target}"),
            None => format!("trust --issuer {} --subject {}", self.issuer, self.subject),
        }
    }

    /// Whether the kind is a service account or a binding.
    pub(crate) fn takes(kind: TargetKind) -> bool {
        matches!(kind, TargetKind::ServiceAccount | TargetKind::Binding)
    }
}
