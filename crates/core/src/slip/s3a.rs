//! Settings of S3 connectors that decide whether they use the pod's role: Hadoop's S3A (Spark,
//! Flink and others), Flink's own names of the same settings, and Iceberg's `S3FileIO`.
//!
//! Sources: `hadoop-aws` (its `core-default.xml`, and `CredentialProviderListFactory`, whose standard
//! list has no provider for web identities), the pages of Flink on Amazon S3, and
//! `AwsClientProperties` of Iceberg.

use std::collections::BTreeMap;

use super::{At, Slip, SlipReason};
use crate::finding::Severity;
use crate::foreign::shown;

/// Prefixes that Spark and Flink remove before they hand a setting to Hadoop.
const PREFIXES: [&str; 2] = ["spark.hadoop.", "flink.hadoop."];
const S3A: &str = "fs.s3a.";
const OF_BUCKET: &str = "bucket.";
/// The names of each setting: of S3A, then of Flink and Iceberg.
const NAMES: [(Name, &[&str]); 4] = [
    (Name::AccessKey, &["access.key", "s3.access-key", "s3.access.key", "s3.access-key-id"]),
    (Name::SecretKey, &["secret.key", "s3.secret-key", "s3.secret.key", "s3.secret-access-key"]),
    (Name::Provider, &["aws.credentials.provider"]),
    (Name::Endpoint, &["endpoint", "s3.endpoint"]),
];
/// The classes of providers that take credentials from elsewhere than from a web identity.
const WITHOUT_ROLE: [&str; 12] = [
    "SimpleAWSCredentialsProvider",
    "TemporaryAWSCredentialsProvider",
    "BasicAWSCredentialsProvider",
    "EnvironmentVariableCredentialsProvider",
    "SystemPropertiesCredentialsProvider",
    "SystemPropertyCredentialsProvider",
    "InstanceProfileCredentialsProvider",
    "IAMInstanceCredentialsProvider",
    "SharedInstanceCredentialProvider",
    "SharedInstanceProfileCredentialsProvider",
    "EC2ContainerCredentialsProviderWrapper",
    "ContainerCredentialsProvider",
];
/// The providers that take the static keys of the settings.
const OF_KEYS: [&str; 3] = [WITHOUT_ROLE[0], WITHOUT_ROLE[1], WITHOUT_ROLE[2]];
const NEXT: &str = "Set fs.s3a.aws.credentials.provider to \
                    software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider (Hadoop before 3.4: \
                    com.amazonaws.auth.WebIdentityTokenCredentialsProvider)";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    AccessKey,
    SecretKey,
    Provider,
    Endpoint,
}

/// A setting of an S3 connector: where it holds, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    /// S3A's settings for all buckets are of the scope `""`, those for one bucket of the bucket's
    /// name. Flink's and Iceberg's are of the text before their name.
    scope: String,
    is_s3a: bool,
    name: Option<Name>,
}

/// Whether the key is that of a setting that this module judges, or another one of S3A.
pub fn is_s3_setting(key: &str) -> bool {
    setting(key).is_some()
}

/// The slips in the settings (key, value) of an object whose pods have a role by web identity.
/// `reads_s3a`: whether the object names files by `s3a://`. Each slip comes with the index of the
/// setting that it is about, if it is about one.
pub fn of_s3_settings(settings: &[(&str, &str)], reads_s3a: bool) -> Vec<(Option<usize>, Slip)> {
    let mut uses_s3a = reads_s3a;
    let mut scopes: BTreeMap<(bool, String), BTreeMap<Name, usize>> = BTreeMap::new();
    for (index, (key, value)) in settings.iter().enumerate() {
        let Some(Setting { scope, is_s3a, name }) = setting(key).filter(|_| !value.is_empty()) else { continue };
        uses_s3a |= is_s3a;
        if let Some(name) = name {
            scopes.entry((is_s3a, scope)).or_default().insert(name, index);
        }
    }
    let of_all = scopes.get(&(true, String::new())).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for ((is_s3a, _), own) in &scopes {
        let mut of_scope = if *is_s3a { of_all.clone() } else { BTreeMap::new() };
        of_scope.extend(own);
        // What is told of all buckets is not told again of each.
        found.extend(judge(&of_scope, settings).filter(|(index, _)| own.values().any(|it| it == index)));
    }
    let mut found: Vec<_> = found.into_iter().map(|(index, slip)| (Some(index), slip)).collect();
    let decides = |own: &BTreeMap<Name, usize>| {
        let is_set = own.contains_key(&Name::Provider) || own.contains_key(&Name::AccessKey);
        is_set || value(own, Name::Endpoint, settings).is_some_and(is_other_store)
    };
    if uses_s3a && !scopes.values().any(decides) {
        found.push((None, by_default()));
    }
    found
}

fn setting(key: &str) -> Option<Setting> {
    let key = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
    let named = |rest: &str, end: &str| {
        let scope = rest.strip_suffix(end)?;
        (scope.is_empty() || scope.ends_with('.')).then(|| scope.trim_end_matches('.').to_owned())
    };
    let find = |rest: &str, is_s3a: bool| {
        let all = NAMES.iter().flat_map(|(name, ends)| ends.iter().map(move |end| (*name, *end)));
        let mut all = all.filter(|(_, end)| end.starts_with("s3.") != is_s3a);
        all.find_map(|(name, end)| Some((named(rest, end)?, name)))
    };
    if let Some(rest) = key.strip_prefix(S3A) {
        let (rest, is_of_bucket) = rest.strip_prefix(OF_BUCKET).map_or((rest, false), |rest| (rest, true));
        let found = find(rest, true).filter(|(scope, _)| scope.is_empty() != is_of_bucket);
        let (scope, name) = found.map_or((String::new(), None), |(scope, name)| (scope, Some(name)));
        return Some(Setting { scope, is_s3a: true, name });
    }
    find(key, false).map(|(scope, name)| Setting { scope, is_s3a: false, name: Some(name) })
}

fn value<'s>(of: &BTreeMap<Name, usize>, name: Name, settings: &[(&str, &'s str)]) -> Option<&'s str> {
    of.get(&name).and_then(|index| settings.get(*index)).map(|(_, value)| *value)
}

/// Whether the endpoint is that of another store than S3 of AWS, which has keys of its own.
fn is_other_store(endpoint: &str) -> bool {
    !endpoint.contains("amazonaws.")
}

/// The slip of one scope, and the index of its setting.
fn judge(of: &BTreeMap<Name, usize>, settings: &[(&str, &str)]) -> Option<(usize, Slip)> {
    if value(of, Name::Endpoint, settings).is_some_and(is_other_store) {
        return None;
    }
    let classes: Vec<&str> = value(of, Name::Provider, settings)
        .unwrap_or_default()
        .split([',', ' ', '\n'])
        .filter_map(|class| class.rsplit(['.', '$']).next())
        .filter(|class| !class.is_empty())
        .collect();
    let with_role = classes.iter().position(|class| !WITHOUT_ROLE.contains(class));
    let of_keys = classes.iter().position(|class| OF_KEYS.contains(class));
    let keys = of.get(&Name::AccessKey).filter(|_| of.contains_key(&Name::SecretKey));
    let keys_first = classes.is_empty() || of_keys.is_some_and(|keys| with_role.is_none_or(|role| keys < role));
    if let Some(index) = keys.filter(|_| keys_first) {
        let key = settings.get(*index).map_or("", |(key, _)| *key);
        let seen = format!("{} and its secret are static keys: S3 is asked with them, not as the role.", shown(key));
        let next = format!("Remove both keys. {}.", next(key));
        return Some((*index, Slip::new(SlipReason::S3RoleUnused, At::Object, seen, next)));
    }
    let index = of.get(&Name::Provider).filter(|_| with_role.is_none() && !classes.is_empty())?;
    let seen = format!(
        "S3A takes its credentials from {} alone, which does not know the role; the pod asks S3 as somebody else, the \
         node's role perhaps.",
        shown(&classes.join(" and "))
    );
    Some((*index, Slip::new(SlipReason::S3RoleUnused, At::Object, seen, format!("{NEXT}."))))
}

/// What to do besides the removal of keys.
fn next(key: &str) -> String {
    if key.contains(S3A) {
        NEXT.to_owned()
    } else if key.ends_with("access-key-id") {
        "S3FileIO then asks S3 as the role".to_owned()
    } else {
        format!("With Flink's S3 filesystem for Hadoop: s{}", &NEXT[1..])
    }
}

fn by_default() -> Slip {
    let seen =
        "S3A is used and fs.s3a.aws.credentials.provider is not set: the providers that S3A asks by default do not \
                know the role, so it asks S3 as the node's role, unless the image sets another provider."
            .to_owned();
    Slip::new(SlipReason::S3RoleUnused, At::Object, seen, format!("{NEXT}.")).severity(Severity::Warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: &str = "com.amazonaws.auth.WebIdentityTokenCredentialsProvider";
    const NODE: &str = "com.amazonaws.auth.InstanceProfileCredentialsProvider";
    const SIMPLE: &str = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider";

    /// Severities of the slips, with the settings that they are about.
    fn found(settings: &[(&str, &str)]) -> Vec<(Option<usize>, Severity)> {
        of_s3_settings(settings, false).into_iter().map(|(index, slip)| (index, slip.severity)).collect()
    }

    #[test]
    fn keys_come_before_the_role() {
        let error = [(Some(0), Severity::Error)];
        let by_role = format!("{WEB},{SIMPLE}");
        let by_keys = format!("{SIMPLE}, {WEB}");
        for (access, secret) in [
            ("spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.secret.key"),
            ("fs.s3a.access.key", "fs.s3a.secret.key"),
            ("fs.s3a.bucket.my.bucket.access.key", "fs.s3a.bucket.my.bucket.secret.key"),
            ("s3.access-key", "s3.secret-key"),
            ("spark.sql.catalog.ice.s3.access-key-id", "spark.sql.catalog.ice.s3.secret-access-key"),
        ] {
            assert_eq!(found(&[(access, "AKIA"), (secret, "x")]), error, "{access}");
            assert!(found(&[(access, "AKIA"), (secret, "")]).is_empty(), "{access}: one key alone");
        }
        let keys = [("fs.s3a.access.key", "AKIA"), ("fs.s3a.secret.key", "x")];
        let with = |provider| [keys[0], keys[1], ("fs.s3a.aws.credentials.provider", provider)];
        assert_eq!(found(&with(&by_keys)), error);
        assert!(found(&with(&by_role)).is_empty());
        // Keys of two scopes do not make a pair.
        assert!(found(&[("fs.s3a.bucket.a.access.key", "AKIA"), ("fs.s3a.bucket.b.secret.key", "x")]).is_empty());
    }

    #[test]
    fn a_provider_has_to_know_the_role() {
        let key = "spark.hadoop.fs.s3a.aws.credentials.provider";
        assert_eq!(found(&[(key, NODE)]), [(Some(0), Severity::Error)]);
        for right in [WEB, "com.amazonaws.auth.DefaultAWSCredentialsProviderChain", "com.example.MyProvider"] {
            assert!(found(&[(key, right)]).is_empty(), "{right}");
        }
        // A bucket's own provider counts for the bucket.
        let of_bucket = ("fs.s3a.bucket.logs.aws.credentials.provider", NODE);
        assert_eq!(found(&[(key, WEB), of_bucket]), [(Some(1), Severity::Error)]);
        // One slip of all buckets, not one for each.
        let of_bucket = ("fs.s3a.bucket.logs.endpoint", "s3.eu-west-1.amazonaws.com");
        assert_eq!(found(&[(key, NODE), of_bucket]), [(Some(0), Severity::Error)]);
        // Public data is read without credentials.
        let anonymous = "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider";
        assert!(found(&[(key, anonymous)]).is_empty());
    }

    #[test]
    fn without_a_provider_s3a_does_not_ask_for_the_role() {
        assert_eq!(found(&[("fs.s3a.path.style.access", "true")]), [(None, Severity::Warning)]);
        assert_eq!(of_s3_settings(&[], true).len(), 1);
        assert!(of_s3_settings(&[], false).is_empty());
        assert!(found(&[("s3.path.style.access", "true")]).is_empty());
        let endpoint = |value| found(&[("fs.s3a.endpoint", value)]);
        assert_eq!(endpoint("s3.eu-west-1.amazonaws.com"), [(None, Severity::Warning)]);
        assert!(endpoint("http://minio:9000").is_empty());
    }

    #[test]
    fn another_store_has_keys_of_its_own() {
        let keys = [("fs.s3a.access.key", "minio"), ("fs.s3a.secret.key", "minio")];
        assert!(found(&[keys[0], keys[1], ("fs.s3a.endpoint", "http://minio:9000")]).is_empty());
        let of_aws = ("fs.s3a.endpoint", "s3.eu-west-1.amazonaws.com");
        assert_eq!(found(&[keys[0], keys[1], of_aws]), [(Some(0), Severity::Error)]);
    }
}
