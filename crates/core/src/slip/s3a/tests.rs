//! Which settings are told.

use super::*;

const WEB: &str = "com.amazonaws.auth.WebIdentityTokenCredentialsProvider";
const NODE: &str = "com.amazonaws.auth.InstanceProfileCredentialsProvider";
const SIMPLE: &str = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider";
const ASSUMED: &str = "org.apache.hadoop.fs.s3a.auth.AssumedRoleCredentialProvider";
const PROVIDER: &str = "fs.s3a.aws.credentials.provider";

fn slips(settings: &[(&str, &str)], map: Option<SparkMap>, uses_s3a: bool) -> Vec<(Option<usize>, Severity)> {
    let settings: Vec<_> = settings.iter().map(|(key, value)| S3Setting { key, value, map }).collect();
    of_s3_settings(&settings, uses_s3a).into_iter().map(|(index, slip)| (index, slip.severity)).collect()
}

/// Severities of the slips, with the settings that they are about.
fn found(settings: &[(&str, &str)]) -> Vec<(Option<usize>, Severity)> {
    slips(settings, None, false)
}

#[test]
fn keys_come_before_the_role() {
    let error = [(Some(0), Severity::Error)];
    for (access, secret) in [
        ("spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.secret.key"),
        ("fs.s3a.access.key", "fs.s3a.secret.key"),
        ("fs.s3a.bucket.my.bucket.access.key", "fs.s3a.bucket.my.bucket.secret.key"),
        ("s3.access-key", "s3.secret-key"),
        ("s3a.access.key", "s3a.secret.key"),
        ("spark.sql.catalog.ice.s3.access-key-id", "spark.sql.catalog.ice.s3.secret-access-key"),
        ("hive.s3.aws-access-key", "hive.s3.aws-secret-key"),
    ] {
        assert_eq!(found(&[(access, "AKIA"), (secret, "x")]), error, "{access}");
        assert!(found(&[(access, "AKIA"), (secret, "")]).is_empty(), "{access}: one key alone");
    }
    let keys = [("fs.s3a.access.key", "AKIA"), ("fs.s3a.secret.key", "x")];
    let with = |provider: &str| found(&[keys[0], keys[1], (PROVIDER, provider)]);
    assert_eq!(with(&format!("{SIMPLE}, {WEB}")), error);
    assert!(with(&format!("{WEB},{SIMPLE}")).is_empty());
    // Keys of two scopes do not make a pair.
    assert!(found(&[("fs.s3a.bucket.a.access.key", "AKIA"), ("fs.s3a.bucket.b.secret.key", "x")]).is_empty());
}

#[test]
fn a_provider_has_to_know_the_role() {
    let error = [(Some(0), Severity::Error)];
    for key in [PROVIDER, "spark.hadoop.fs.s3a.aws.credentials.provider", "s3.aws.credentials.provider"] {
        assert_eq!(found(&[(key, NODE)]), error, "{key}");
    }
    assert_eq!(found(&[("spark.sql.catalog.ice.client.credentials-provider", NODE)]), error);
    assert_eq!(found(&[(PROVIDER, MIXED_UP)]), error);
    for right in [WEB, "com.amazonaws.auth.DefaultAWSCredentialsProviderChain", "com.example.MyProvider"] {
        assert!(found(&[(PROVIDER, right)]).is_empty(), "{right}");
    }
    // A bucket's own provider counts for the bucket.
    let of_bucket = ("fs.s3a.bucket.logs.aws.credentials.provider", NODE);
    assert_eq!(found(&[(PROVIDER, WEB), of_bucket]), [(Some(1), Severity::Error)]);
    // One slip of all buckets, not one for each.
    let of_bucket = ("fs.s3a.bucket.logs.endpoint", "s3.eu-west-1.amazonaws.com");
    assert_eq!(found(&[(PROVIDER, NODE), of_bucket]), error);
    // Public data is read without credentials.
    assert!(found(&[(PROVIDER, "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider")]).is_empty());
}

#[test]
fn the_role_may_assume_another() {
    assert_eq!(found(&[(PROVIDER, ASSUMED)]), [(Some(0), Severity::Error)]);
    assert!(found(&[(PROVIDER, ASSUMED), ("fs.s3a.assumed.role.credentials.provider", WEB)]).is_empty());
}

#[test]
fn without_a_provider_s3a_does_not_ask_for_the_role() {
    let warning = [(None, Severity::Warning)];
    assert_eq!(slips(&[], None, true), warning);
    let endpoint = |value| slips(&[("fs.s3a.endpoint", value)], None, true);
    assert_eq!(endpoint("s3.eu-west-1.amazonaws.com"), warning);
    assert!(endpoint("http://minio:9000").is_empty());
    let of_spark = [("fs.s3a.path.style.access", "true")];
    assert_eq!(slips(&of_spark, Some(SparkMap::HadoopConf), false), warning);
    assert!(found(&of_spark).is_empty(), "somebody else may set the provider");
    assert!(slips(&[], None, false).is_empty());
}

#[test]
fn another_store_has_keys_of_its_own() {
    let keys = [("fs.s3a.access.key", "minio"), ("fs.s3a.secret.key", "minio")];
    assert!(found(&[keys[0], keys[1], ("fs.s3a.endpoint", "http://minio:9000")]).is_empty());
    let of_aws = ("fs.s3a.endpoint", "s3.eu-west-1.amazonaws.com");
    assert_eq!(found(&[keys[0], keys[1], of_aws]), [(Some(0), Severity::Error)]);
}

#[test]
fn spark_drops_keys_in_the_wrong_map() {
    let error = [(Some(0), Severity::Error)];
    let of_spark = format!("spark.hadoop.{PROVIDER}");
    for (key, map) in [(PROVIDER, SparkMap::SparkConf), (of_spark.as_str(), SparkMap::HadoopConf)] {
        assert_eq!(slips(&[(key, WEB)], Some(map), true), error, "{key}");
    }
    for (key, map) in [(PROVIDER, SparkMap::HadoopConf), (of_spark.as_str(), SparkMap::SparkConf)] {
        assert!(slips(&[(key, WEB)], Some(map), true).is_empty(), "{key}");
    }
}
