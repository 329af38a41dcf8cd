//! ARNs of IAM roles.

mod fault;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::aws_partition::Partition;
use fault::Fault;
pub(crate) use fault::is_unfilled;

/// The ARN of an IAM role, for example `arn:aws:iam::111122223333:role/path/my-role`.
///
/// Accepts what the `PodIdentityBinding` schema accepts: any `aws` partition, a 12-digit account, a role with an
/// optional path, and no wildcards.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleArn {
    text: String,
    partition_end: usize,
}

/// Why a text is not the ARN of a role.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text:?} is not the ARN of an IAM role: {fault}")]
pub struct ArnError {
    text: String,
    fault: Fault,
}

impl ArnError {
    /// What is wrong with the text, in a few words, for example `it is a bare name`.
    pub fn cause(&self) -> String {
        self.fault.to_string()
    }

    /// What to do, in a few words, for example
    /// `write the whole ARN: arn:aws:iam::ACCOUNT:role/my-role`.
    pub fn advice(&self) -> String {
        self.fault.advice(&self.text)
    }
}

impl FromStr for RoleArn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        match partition_of(text) {
            Some(partition) => Ok(Self { text: text.to_owned(), partition_end: PREFIX.len() + partition.len() }),
            None => Err(ArnError { text: text.to_owned(), fault: Fault::of(text) }),
        }
    }
}

const PREFIX: &str = "arn:";

/// The partition, if the text is the ARN of a role.
fn partition_of(text: &str) -> Option<&str> {
    let mut parts = text.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let right = scheme == "arn"
        && is_partition(partition)
        && service == "iam"
        && region.is_empty()
        && is_account(account)
        && resource.strip_prefix("role/").is_some_and(is_path_and_name);
    right.then_some(partition)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_partition(text: &str) -> bool {
    let mut words = text.split('-');
    words.next() == Some("aws")
        && words
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

fn is_path_and_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let name_length = text.rsplit('/').next().map_or(0, str::len);
    name_length <= 64 && text.split('/').all(|part| !part.is_empty() && part.bytes().all(allowed))
}

impl RoleArn {
    /// The ARN as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub fn partition(&self) -> &str {
        &self.text[PREFIX.len()..self.partition_end]
    }

    /// What is wrong with the partition if it is none that is known; AWS may have made it since.
    pub fn unknown_partition(&self) -> Option<String> {
        let name = self.partition();
        if Partition::named(name).is_some() {
            return None;
        }
        let meant = Partition::meant(name);
        let meant = meant.map(|it| format!("; did you mean {}?", it.name)).unwrap_or_default();
        Some(format!("{:?} is of the partition {name}, and no such partition is known{meant}", self.text))
    }

    /// The 12 digits of the account.
    pub fn account(&self) -> &str {
        let start = self.partition_end + ":iam::".len();
        &self.text[start..start + 12]
    }

    /// Path and name of the role, for example `path/my-role`.
    pub fn role(&self) -> &str {
        &self.text[self.partition_end + ":iam::".len() + 12 + ":role/".len()..]
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_arn() {
        let arn: RoleArn = "arn:aws-us-gov:iam::111122223333:role/team/a/my-role".parse().unwrap();
        assert_eq!((arn.partition(), arn.account(), arn.role()), ("aws-us-gov", "111122223333", "team/a/my-role"));
        assert_eq!(arn.to_string(), "arn:aws-us-gov:iam::111122223333:role/team/a/my-role");
    }

    #[test]
    fn a_partition_that_is_not_known_is_told_with_the_one_that_is_meant() {
        let told = |partition: &str| {
            let arn: RoleArn = format!("arn:{partition}:iam::111122223333:role/r").parse().unwrap();
            arn.unknown_partition()
        };
        for known in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"] {
            assert_eq!(told(known), None);
        }
        for meant in ["aws-gov", "aws-us"] {
            assert!(told(meant).unwrap().ends_with("no such partition is known; did you mean aws-us-gov?"));
        }
        assert!(told("aws-antarctica").unwrap().ends_with("known"));
    }

    #[test]
    fn what_is_not_a_role_is_refused_with_the_reason() {
        for (text, problem) in [
            ("", "empty"),
            ("my-role", "begin with arn:"),
            ("arn:azure:iam::111122223333:role/r", "partition"),
            ("arn:aws-:iam::111122223333:role/r", "partition"),
            ("arn:aws:iam:eu-west-1:111122223333:role/r", "region"),
            ("arn:aws:iam::11112222333:role/r", "12 digits"),
            ("arn:aws:iam::111122223333:user/u", "name a role"),
            ("arn:aws:iam::111122223333:role/a//b", "path or name"),
            ("arn:aws:iam::111122223333:role/*", "path or name"),
        ] {
            let error = text.parse::<RoleArn>().unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
        let long = format!("arn:aws:iam::111122223333:role/{}", "r".repeat(65));
        assert!(long.parse::<RoleArn>().is_err());
    }
}
