//! Which Kubernetes versions have what the operator and its policies need.

/// The oldest minor version that the operator supports: it has ValidatingAdmissionPolicy.
pub const OLDEST: u32 = 30;
/// The newest minor version that the tests run on.
pub const NEWEST: u32 = 37;
/// The first minor version that lists bindings by a field
/// (`--field-selector spec.serviceAccountName=app`).
pub const FIELD_SELECTORS: u32 = 31;
/// The first minor version that is known to send a bookmark about every minute on an idle watch.
/// Kubernetes 1.30 and 1.33 may send none.
pub const BOOKMARKS_AT_REST: u32 = 37;
/// The first minor version in which `config/injection` works: it has MutatingAdmissionPolicy v1.
pub const MUTATING_POLICIES: u32 = 36;

/// The minor version in a version string: 33 for `v1.33.4-eks-abcdef`.
pub fn minor(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').nth(1)?.parse().ok()
}

/// What a cluster of this version lacks, each as a sentence that also says what to do instead.
pub fn lacks(minor: u32) -> Vec<String> {
    let table = [
        (
            OLDEST,
            "guard, grants and enforcement do not work: they are ValidatingAdmissionPolicies; upgrade the cluster",
        ),
        (FIELD_SELECTORS, "bindings cannot be listed by --field-selector; use kubectl podidentity status"),
        (BOOKMARKS_AT_REST, "a watch may be silent for five minutes; leave --stalled-after at 5m or more"),
        (
            MUTATING_POLICIES,
            "config/injection and config/preflight/bound do not work: they are MutatingAdmissionPolicies; let the EKS pod \
             identity webhook inject",
        ),
    ];
    let missing = table.into_iter().filter(|(since, _)| minor < *since);
    missing.map(|(since, what)| format!("before Kubernetes 1.{since} {what}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_clusters_write_them() {
        for version in ["v1.33.4", "v1.33.4-eks-abcdef", "1.33", "v1.33.0+k3s1"] {
            assert_eq!(minor(version), Some(33), "{version}");
        }
        assert_eq!(minor("latest"), None);
    }

    #[test]
    fn a_new_cluster_lacks_nothing_and_an_old_one_more_and_more() {
        let missing = [NEWEST, 36, 35, 31, 30, 29].map(|minor| lacks(minor).len());
        assert_eq!(missing, [0, 1, 2, 2, 3, 4]);
        assert!(lacks(35).iter().any(|lack| lack.starts_with("before Kubernetes 1.36 config/injection")));
    }
}
