//! The settings of S3 connectors, by the names that each connector gives them.

/// Prefixes that Spark and Flink remove before they hand a setting to Hadoop.
const OF_SPARK: &str = "spark.hadoop.";
const OF_FLINK: &str = "flink.hadoop.";
const S3A: &str = "fs.s3a.";
/// Flink passes keys with these prefixes on as S3A's.
///
/// Source: `FLINK_CONFIG_PREFIXES` of Flink's `S3FileSystemFactory`.
const FLINK: [&str; 2] = ["s3.", "s3a."];
const OF_BUCKET: &str = "bucket.";
/// S3A's names, and Flink's of the same settings.
const S3A_NAMES: [(Name, &[&str]); 5] = [
    (Name::AccessKey, &["access.key", "access-key"]),
    (Name::SecretKey, &["secret.key", "secret-key"]),
    (Name::AssumingProvider, &["assumed.role.credentials.provider"]),
    (Name::Provider, &["aws.credentials.provider"]),
    (Name::Endpoint, &["endpoint"]),
];
/// Names of connectors with a chain of providers that knows the role: Iceberg's `S3FileIO` and
/// Trino. Text before the name is the name of a catalog.
///
/// Sources: `S3FileIOProperties` and `AwsClientProperties` of Iceberg, Trino's page on S3.
const OTHER_NAMES: [(Name, &[&str]); 4] = [
    (Name::AccessKey, &["s3.access-key-id", "s3.aws-access-key"]),
    (Name::SecretKey, &["s3.secret-access-key", "s3.aws-secret-key"]),
    (Name::Provider, &["client.credentials-provider"]),
    (Name::Endpoint, &["s3.endpoint"]),
];

/// What a setting determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    AccessKey,
    SecretKey,
    Provider,
    /// The provider with which S3A assumes another role.
    AssumingProvider,
    Endpoint,
}

/// The part of the configuration in which a setting holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// S3A, for the bucket of this name; empty: for all buckets.
    S3a(String),
    /// Another connector, for the catalog of this name.
    Other(String),
}

/// A setting of an S3 connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) scope: Scope,
    /// `None`: a setting that does not concern credentials.
    pub(super) name: Option<Name>,
    /// Whether only S3A has a setting of this key.
    pub(super) shows_s3a: bool,
}

/// Where Spark's operator takes a setting from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SparkMap {
    /// `spec.sparkConf`: Spark drops keys that do not begin with `spark.`.
    SparkConf,
    /// `spec.hadoopConf`: the operator puts `spark.hadoop.` before each key.
    HadoopConf,
}

impl SparkMap {
    /// The key that is meant, if this one has no effect in the map.
    pub(super) fn meant(self, key: &str) -> Option<String> {
        match self {
            Self::SparkConf => key.starts_with(S3A).then(|| format!("{OF_SPARK}{key}")),
            Self::HadoopConf => key.strip_prefix(OF_SPARK).map(str::to_owned),
        }
    }
}

/// The setting of this key, if it is one of an S3 connector.
pub(super) fn setting(key: &str) -> Option<Setting> {
    let key = [OF_SPARK, OF_FLINK].iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
    if let Some(rest) = key.strip_prefix(S3A) {
        let (rest, is_of_bucket) = rest.strip_prefix(OF_BUCKET).map_or((rest, false), |rest| (rest, true));
        let found = named(rest, &S3A_NAMES).filter(|(bucket, _)| bucket.is_empty() != is_of_bucket);
        let (bucket, name) = found.map_or((String::new(), None), |(bucket, name)| (bucket, Some(name)));
        return Some(Setting { scope: Scope::S3a(bucket), name, shows_s3a: true });
    }
    let of_flink = || {
        let rest = FLINK.iter().find_map(|prefix| key.strip_prefix(prefix))?;
        let (bucket, name) = named(rest, &S3A_NAMES).filter(|(bucket, _)| bucket.is_empty())?;
        Some(Setting { scope: Scope::S3a(bucket), name: Some(name), shows_s3a: false })
    };
    let of_others = || {
        let (catalog, name) = named(key, &OTHER_NAMES)?;
        Some(Setting { scope: Scope::Other(catalog), name: Some(name), shows_s3a: false })
    };
    of_flink().or_else(of_others)
}

/// What stands before one of the names, and that name.
fn named(key: &str, names: &[(Name, &[&str])]) -> Option<(String, Name)> {
    let mut all = names.iter().flat_map(|(name, ends)| ends.iter().map(move |end| (*name, *end)));
    all.find_map(|(name, end)| {
        let before = key.strip_suffix(end)?;
        (before.is_empty() || before.ends_with('.')).then(|| (before.trim_end_matches('.').to_owned(), name))
    })
}
