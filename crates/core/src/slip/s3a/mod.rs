//! Settings of S3 connectors that decide whether they use the pod's role: Hadoop's S3A (Spark,
//! Flink and others), Iceberg's `S3FileIO` and Trino.
//!
//! Sources: `hadoop-aws` (`core-default.xml`, and `CredentialProviderListFactory`, whose standard
//! list has no provider for web identities), and those in [`setting`].

mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{At, Slip, SlipReason};
use crate::finding::Severity;
use crate::foreign::shown;
use setting::{Name, Scope, setting};

pub use setting::SparkMap;

/// The classes of providers that take credentials from elsewhere than from a web identity. The
/// first three take the static keys of the settings.
const WITHOUT_ROLE: [&str; 13] = [
    "SimpleAWSCredentialsProvider",
    "TemporaryAWSCredentialsProvider",
    "BasicAWSCredentialsProvider",
    "EnvironmentVariableCredentialsProvider",
    "SystemPropertiesCredentialsProvider",
    "SystemPropertyCredentialsProvider",
    "ProfileCredentialsProvider",
    "InstanceProfileCredentialsProvider",
    "IAMInstanceCredentialsProvider",
    "SharedInstanceCredentialProvider",
    "SharedInstanceProfileCredentialsProvider",
    "EC2ContainerCredentialsProviderWrapper",
    "ContainerCredentialsProvider",
];
const OF_KEYS: usize = 3;
/// The provider that assumes another role with the credentials of a provider of its own, by default
/// one of static keys.
const ASSUMING: &str = "AssumedRoleCredentialProvider";
/// A class that does not exist: the package of version 1 of the SDK, with the name of version 2.
const MIXED_UP: &str = "com.amazonaws.auth.WebIdentityTokenFileCredentialsProvider";
const NEXT: &str = "Set fs.s3a.aws.credentials.provider to \
                    software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider (Hadoop before 3.4: \
                    com.amazonaws.auth.WebIdentityTokenCredentialsProvider)";

/// A key and its value in the configuration of a workload.
#[derive(Clone, Copy, Debug)]
pub struct S3Setting<'a> {
    /// For example `spark.hadoop.fs.s3a.access.key`.
    pub key: &'a str,
    /// Its value.
    pub value: &'a str,
    /// The map of a SparkApplication that has it; `None`: it is elsewhere.
    pub map: Option<SparkMap>,
}

/// Whether the key is one of a setting that [`of_s3_settings`] reads.
pub fn is_s3_setting(key: &str) -> bool {
    setting(key).is_some()
}

/// The settings of one scope, by their index.
type OfScope = BTreeMap<Name, usize>;

/// The slips in the settings of a workload whose pods have a role by web identity. `uses_s3a`:
/// whether something else shows that it reads S3 by S3A, and all of its settings are known. Each
/// slip comes with the index of the setting that it is about, if it is about one.
pub fn of_s3_settings(settings: &[S3Setting<'_>], uses_s3a: bool) -> Vec<(Option<usize>, Slip)> {
    let mut uses_s3a = uses_s3a;
    let mut found = Vec::new();
    let mut scopes: BTreeMap<Scope, OfScope> = BTreeMap::new();
    for (index, S3Setting { key, value, map }) in settings.iter().enumerate() {
        let Some(setting) = setting(key).filter(|_| !value.is_empty()) else { continue };
        uses_s3a |= setting.shows_s3a && map.is_some();
        if let Some((map, meant)) = map.and_then(|map| Some((map, map.meant(key)?))) {
            found.push((Some(index), without_effect(map, key, &meant)));
        } else if let Some(name) = setting.name {
            scopes.entry(setting.scope).or_default().insert(name, index);
        }
    }
    let of_all = scopes.get(&Scope::S3a(String::new())).cloned().unwrap_or_default();
    for (scope, own) in &scopes {
        let mut of_scope = if matches!(scope, Scope::S3a(_)) { of_all.clone() } else { OfScope::new() };
        of_scope.extend(own);
        // What is told of all buckets is not told again of each.
        let slip = judge(scope, &of_scope, settings).filter(|(index, _)| own.values().any(|it| it == index));
        found.extend(slip.map(|(index, slip)| (Some(index), slip)));
    }
    let decides = |(scope, own): (&Scope, &OfScope)| {
        let is_set = own.contains_key(&Name::Provider) || own.contains_key(&Name::AccessKey);
        matches!(scope, Scope::S3a(_)) && (is_set || value(own, Name::Endpoint, settings).is_some_and(is_other_store))
    };
    if uses_s3a && found.is_empty() && !scopes.iter().any(decides) {
        found.push((None, by_default()));
    }
    found
}

fn value<'s>(of: &OfScope, name: Name, settings: &[S3Setting<'s>]) -> Option<&'s str> {
    of.get(&name).and_then(|index| settings.get(*index)).map(|setting| setting.value)
}

/// Whether the endpoint is that of another store than S3 of AWS, which has keys of its own.
fn is_other_store(endpoint: &str) -> bool {
    !endpoint.contains("amazonaws.")
}

/// The providers of a list, each with its package.
fn providers(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ', '\n']).filter(|provider| !provider.is_empty())
}

/// The classes of the providers of a list, without their packages.
fn classes(list: &str) -> Vec<&str> {
    providers(list).filter_map(|provider| provider.rsplit(['.', '$']).next()).collect()
}

/// The slip of one scope, and the index of its setting.
fn judge(scope: &Scope, of: &OfScope, settings: &[S3Setting<'_>]) -> Option<(usize, Slip)> {
    if value(of, Name::Endpoint, settings).is_some_and(is_other_store) {
        return None;
    }
    let list = value(of, Name::Provider, settings).unwrap_or_default();
    let base = classes(value(of, Name::AssumingProvider, settings).unwrap_or_default());
    let knows_role = |class: &&str| match *class {
        ASSUMING => base.iter().any(|class| !WITHOUT_ROLE.contains(class)),
        class => !WITHOUT_ROLE.contains(&class),
    };
    let classes = classes(list);
    let with_role = classes.iter().position(knows_role);
    let of_keys = classes.iter().position(|class| WITHOUT_ROLE[..OF_KEYS].contains(class));
    let keys = of.get(&Name::AccessKey).filter(|_| of.contains_key(&Name::SecretKey));
    let keys_first = classes.is_empty() || of_keys.is_some_and(|keys| with_role.is_none_or(|role| keys < role));
    if let Some(index) = keys.filter(|_| keys_first) {
        return Some((*index, static_keys(scope, settings.get(*index)?.key)));
    }
    let index = *of.get(&Name::Provider)?;
    let seen = if providers(list).any(|provider| provider == MIXED_UP) {
        format!("there is no class {MIXED_UP}: version 1 of the SDK has one without File in its name.")
    } else if with_role.is_none() && !classes.is_empty() {
        format!(
            "{} is {}, which does not know the role: S3 is asked as somebody else, as the node's role perhaps.",
            shown(settings.get(index)?.key),
            shown(&classes.join(" and "))
        )
    } else {
        return None;
    };
    Some((index, Slip::new(SlipReason::S3RoleUnused, At::Object, seen, next(scope, true))))
}

fn static_keys(scope: &Scope, key: &str) -> Slip {
    let seen = format!("{} and its secret are static keys: S3 is asked with them, not as the role.", shown(key));
    Slip::new(SlipReason::S3RoleUnused, At::Object, seen, format!("Remove both keys. {}", next(scope, false)))
}

/// What to do about the provider. `is_set`: whether another one is set.
fn next(scope: &Scope, is_set: bool) -> String {
    match scope {
        Scope::S3a(_) => format!("{NEXT}."),
        Scope::Other(_) if is_set => "Remove the setting: by default the connector uses the role.".to_owned(),
        Scope::Other(_) => "The connector then uses the role.".to_owned(),
    }
}

/// A key in the map of a SparkApplication in which it has no effect.
fn without_effect(map: SparkMap, key: &str, meant: &str) -> Slip {
    let seen = match map {
        SparkMap::SparkConf => format!("{} in sparkConf has no effect: Spark drops keys without spark.", shown(key)),
        SparkMap::HadoopConf => {
            format!("{} in hadoopConf has no effect: the operator puts spark.hadoop. before each key.", shown(key))
        }
    };
    Slip::new(SlipReason::S3RoleUnused, At::Object, seen, format!("Write {}.", shown(meant)))
}

fn by_default() -> Slip {
    let seen =
        "S3A is used and fs.s3a.aws.credentials.provider is not set: the providers that S3A asks by default do not \
                know the role, so it asks S3 as the node's role, unless the image sets another provider."
            .to_owned();
    Slip::new(SlipReason::S3RoleUnused, At::Object, seen, format!("{NEXT}.")).severity(Severity::Warning)
}
