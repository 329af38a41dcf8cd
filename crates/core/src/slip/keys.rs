//! Keys of annotations and labels: those of the webhook, misspelt ones, and those of other tools.

use crate::injection::{SKIP_CONTAINERS, SKIP_LABEL, TOKEN_EXPIRATION};
use crate::likeness::likeness;
use crate::settings::{IdentityAnnotation, Settings};

/// The name, after the domain, of the annotation that names the role.
pub(super) const ROLE: &str = IdentityAnnotation::RoleArn.name();
/// The name, after the domain, of the annotation for the audience.
pub(super) const AUDIENCE: &str = IdentityAnnotation::Audience.name();
/// The name, after the domain, of the annotation for the STS endpoint.
pub(super) const STS: &str = IdentityAnnotation::StsRegionalEndpoints.name();
/// The name, after the domain, of the label with which a pod opts out.
pub(super) const SKIP_POD: &str = "skip-pod-identity-webhook";

/// Names that the webhook reads on a service account.
pub(super) const OF_ACCOUNT: [&str; 4] = [ROLE, AUDIENCE, TOKEN_EXPIRATION, STS];
/// All names that the webhook reads on any object.
const ALL: [&str; 6] = [ROLE, AUDIENCE, TOKEN_EXPIRATION, STS, SKIP_CONTAINERS, SKIP_POD];
/// The letters of these names.
const LETTERS: [&str; 6] =
    ["rolearn", "audience", "tokenexpiration", "stsregionalendpoints", "skipcontainers", "skippodidentitywebhook"];

/// Wrong names that people use for these, letters and digits only.
const ALIASES: &[(&str, &str)] = &[
    ("role", ROLE),
    ("arn", ROLE),
    ("rolename", ROLE),
    ("iamrole", ROLE),
    ("iamrolearn", ROLE),
    ("iamrolename", ROLE),
    ("awsrole", ROLE),
    ("awsrolearn", ROLE),
    ("awsiamrole", ROLE),
    ("awsiamrolearn", ROLE),
    ("assumerole", ROLE),
    ("assumerolearn", ROLE),
    ("irsarole", ROLE),
    ("irsarolearn", ROLE),
    ("serviceaccountrolearn", ROLE),
    ("podrolearn", ROLE),
    ("podidentityrole", ROLE),
    ("podidentityrolearn", ROLE),
    ("tokenaudience", AUDIENCE),
    ("aud", AUDIENCE),
    ("expiration", TOKEN_EXPIRATION),
    ("tokenexpirationseconds", TOKEN_EXPIRATION),
    ("tokenlifetime", TOKEN_EXPIRATION),
    ("tokenttl", TOKEN_EXPIRATION),
    ("regionalsts", STS),
    ("stsregional", STS),
    ("stsendpoint", STS),
    ("useregionalsts", STS),
    ("useregionalendpoints", STS),
    ("skipcontainer", SKIP_CONTAINERS),
    ("skipwebhook", SKIP_POD),
    ("skippodidentity", SKIP_POD),
];

/// Minimum likeness at which a name counts as a misspelling.
const ALIKE: f64 = 0.93;
/// Minimum ratio in percent of the lengths of two texts of that likeness: where all characters of
/// the shorter one match, the likeness is 0.8 + 0.2 times the ratio.
const LENGTHS_ALIKE: usize = 65;

/// The domain of kiam's and kube2iam's keys.
const KIAM: &str = "iam.amazonaws.com";
/// The names of their keys on pods. `iam-role` is a common slip for `role`.
const KIAM_NAMES: [&str; 4] = ["role", "iam-role", "external-id", "session-name"];
/// The names of their keys on namespaces, which say what roles pods may take.
const KIAM_GRANTS: [&str; 2] = ["permitted", "allowed-roles"];

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The webhook's key of this name.
    Known(&'static str),
    /// Nothing reads the key, but it resembles the webhook's key of this name.
    Misspelt(&'static str),
    /// Kiam and kube2iam read the key on pods.
    Kiam,
    /// Kiam and kube2iam read the key on namespaces.
    KiamGrant,
    /// The key is in the webhook's domain, but resembles no key that the webhook reads.
    Unknown,
    /// The key belongs to someone else, but holds the ARN of a role.
    HoldsRole,
    /// The key belongs to someone else.
    Other,
}

/// What the key means. The value helps to tell which key was intended.
pub(super) fn read(key: &str, value: &str, settings: &Settings) -> Key {
    // Nothing reads a key with a slash at its end, whatever is before it.
    let (whole, key) = (key, key.trim_end_matches('/'));
    match of_whole(key, value, settings) {
        Key::Known(name) if whole.len() > key.len() => Key::Misspelt(name),
        Key::Other if is_role(value) => Key::HoldsRole,
        read => read,
    }
}

fn of_whole(key: &str, value: &str, settings: &Settings) -> Key {
    if key == SKIP_LABEL {
        return Key::Known(SKIP_POD);
    }
    let Some((domain, name)) = key.rsplit_once('/') else {
        return bare(key, value).map_or(Key::Other, Key::Misspelt);
    };
    if domain == settings.annotation_domain {
        if let Some(known) = ALL.into_iter().find(|known| *known == name && *known != SKIP_POD) {
            return Key::Known(known);
        }
        let meant = meant(name).or(is_role(value).then_some(ROLE));
        return meant.map_or(Key::Unknown, Key::Misspelt);
    }
    if domain == KIAM && KIAM_NAMES.contains(&name) {
        return Key::Kiam;
    }
    if domain == KIAM && KIAM_GRANTS.contains(&name) {
        return Key::KiamGrant;
    }
    let meant = meant(name).filter(|_| is_of_aws(domain) || is_role(value));
    // A single word such as `role` or `audience` says nothing in someone else's domain.
    let meant = meant.filter(|meant| is_role(value) || ALL.contains(&name) && *meant != AUDIENCE);
    meant.map_or(Key::Other, Key::Misspelt)
}

/// Whether a key may matter, whatever the settings and its value are.
pub(crate) fn concerns(key: &str) -> bool {
    let key = key.trim_end_matches('/');
    let Some((domain, name)) = key.rsplit_once('/') else {
        return meant(key) == Some(ROLE) || key.starts_with(podidentity_api::names::EKS_DOMAIN);
    };
    domain == podidentity_api::names::EKS_DOMAIN || domain == KIAM || meant(name).is_some()
}

/// The webhook's name that this name equals or resembles. Runs for each key of each observed object,
/// so it compares only texts of similar length.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let name = letters(name);
    let known = || LETTERS.into_iter().zip(ALL);
    if let Some((_, known)) = known().find(|(letters, _)| *letters == name) {
        return Some(known);
    }
    if let Some((_, meant)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
        return Some(meant);
    }
    let length = name.chars().count();
    let may_be_alike = |letters: &str| {
        let (shorter, longer) = (length.min(letters.len()), length.max(letters.len()));
        shorter * 100 >= LENGTHS_ALIKE * longer
    };
    let compared = known().filter(|(letters, _)| may_be_alike(letters));
    let best = compared.map(|(letters, known)| (likeness(letters, &name), known));
    let best = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// The webhook's name that is meant by a key without a domain, or with a dot in place of the slash.
fn bare(key: &str, value: &str) -> Option<&'static str> {
    let name = key.strip_prefix("eks.amazonaws.com").map_or(key, |rest| rest.trim_start_matches(['.', '-', '_', ':']));
    if name.is_empty() && is_role(value) {
        return Some(ROLE);
    }
    meant(name).filter(|_| is_role(value) || name.len() < key.len())
}

/// Whether a domain looks like one of AWS.
fn is_of_aws(domain: &str) -> bool {
    let domain = domain.to_lowercase();
    ["amazon", "aws", "eks", "irsa"].iter().any(|word| domain.contains(word))
}

/// Whether a value looks like the ARN of a role.
pub(super) fn is_role(value: &str) -> bool {
    let value = value.trim();
    value.starts_with("arn:") && value.contains(":iam:") && value.contains(":role")
}

/// The letters and digits, in lower case.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:role/r";

    fn of(key: &str, value: &str) -> Key {
        read(key, value, &Settings::default())
    }

    #[test]
    fn keys_of_the_webhook_are_known() {
        for name in ["role-arn", "audience", "token-expiration", "sts-regional-endpoints", "skip-containers"] {
            assert_eq!(of(&format!("eks.amazonaws.com/{name}"), "x"), Key::Known(name));
        }
        assert_eq!(of(SKIP_LABEL, "true"), Key::Known(SKIP_POD));
    }

    #[test]
    fn names_of_other_lengths_are_not_alike() {
        assert_eq!(LETTERS.map(str::to_owned), ALL.map(letters));
        for known in LETTERS {
            for length in 1..40 {
                // The most alike text of this length.
                let name: String = known.chars().cycle().take(length).collect();
                let alike = LETTERS.into_iter().any(|known| likeness(known, &name) >= ALIKE);
                assert!(!alike || meant(&name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn what_is_like_a_key_is_meant_to_be_it() {
        for key in [
            "eks.amazonaws.com/role_arn",
            "eks.amazonaws.com/roleArn",
            "eks.amazonaws.com/iam-role",
            "eks.amazonaws.com/role-arm",
            "eks.amazonaws.com/rolearn",
            "eks.amazonaws.com/role",
            "EKS.amazonaws.com/role-arn",
            "eks.amazon.com/role-arn",
            "iam.amazonaws.com/role-arn",
            "irsa.example.com/role-arn",
            "role-arn",
            "eks.amazonaws.com.role-arn",
            "example.com/iam-role-arn",
            "eks.amazonaws.com/role-arn/",
            "eks.amazonaws.com//role-arn",
            "eks.amazonaws.com",
            "eks.amazonaws.com/",
            "eks.amazonaws.com/pod-identity-role-arn",
            "aws/role",
        ] {
            assert_eq!(of(key, ARN), Key::Misspelt(ROLE), "{key}");
        }
        for (key, meant) in [
            ("eks.amazonaws.com/tokenExpiration", TOKEN_EXPIRATION),
            ("eks.amazonaws.com/sts-regional-endpoint", STS),
            ("eks.amazonaws.com/audiences", AUDIENCE),
            ("eks.amazonaws.com/skip-container", SKIP_CONTAINERS),
        ] {
            assert_eq!(of(key, "x"), Key::Misspelt(meant), "{key}");
        }
    }

    #[test]
    fn keys_of_others_are_left_to_them() {
        for key in [
            "meta.helm.sh/release-name",
            "vault.hashicorp.com/role",
            "iam.gke.io/gcp-service-account",
            "azure.workload.identity/client-id",
            "example.com/audience",
            "rbac.authorization.kubernetes.io/role",
        ] {
            assert_eq!(of(key, "my-value"), Key::Other, "{key}");
        }
        for key in ["iam.gke.io/gcp-service-account", "example.com/used-by", "vault.hashicorp.com/authority"] {
            assert_eq!(of(key, ARN), Key::HoldsRole, "{key}");
        }
        for key in ["iam.amazonaws.com/role", "iam.amazonaws.com/iam-role"] {
            assert_eq!(of(key, "my-role"), Key::Kiam, "{key}");
        }
        for key in ["iam.amazonaws.com/permitted", "iam.amazonaws.com/allowed-roles"] {
            assert_eq!(of(key, ".*"), Key::KiamGrant, "{key}");
        }
        assert_eq!(of("eks.amazonaws.com/compute-type", "ec2"), Key::Unknown);
        assert_eq!(of("eks.amazonaws.com/primary", ARN), Key::Misspelt(ROLE));
    }

    #[test]
    fn whatever_is_read_is_of_interest() {
        for key in ["eks.amazonaws.com/role_arn", "iam.amazonaws.com/role", "example.com/role-arn", "role-arn"] {
            assert!(concerns(key), "{key}");
        }
        assert!(!concerns("prometheus.io/scrape"));
    }
}
