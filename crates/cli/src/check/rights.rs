//! The RBAC rights that `check` asks about.

use podidentity_cluster::read::installation::Right;

fn rights(table: &[(&str, &[&str], &[&str])]) -> Vec<Right> {
    let mut all = Vec::new();
    for (group, resources, verbs) in table {
        for resource in *resources {
            for verb in *verbs {
                all.push(Right {
                    group: (*group).to_owned(),
                    resource: (*resource).to_owned(),
                    verb: (*verb).to_owned(),
                });
            }
        }
    }
    all
}

/// The rights that the commands of this plugin need.
pub(super) fn of_users() -> Vec<Right> {
    rights(&[
        ("", &["pods", "serviceaccounts"], &["list"]),
        ("apps", &["deployments", "statefulsets", "daemonsets"], &["list"]),
        ("podidentity.dev", &["podidentitybindings"], &["list"]),
    ])
}

/// The rights that `kubectl apply -k config/default` needs.
pub(super) fn to_install() -> Vec<Right> {
    rights(&[
        ("apiextensions.k8s.io", &["customresourcedefinitions"], &["create"]),
        ("rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings"], &["create"]),
        ("", &["namespaces"], &["create"]),
        ("apps", &["deployments"], &["create"]),
        ("admissionregistration.k8s.io", &["validatingadmissionpolicies"], &["create"]),
    ])
}

/// The rules of `config/rbac`, or of `config/namespaced` if the operator does not serve the whole
/// cluster. Leaves out the optional rules.
pub(super) fn of_the_operator(whole_cluster: bool) -> Vec<Right> {
    let mut all = rights(&[
        ("", &["pods"], &["list", "watch"]),
        ("", &["serviceaccounts"], &["list", "watch", "patch"]),
        ("apps", &["deployments", "statefulsets", "daemonsets"], &["list", "watch", "patch"]),
        ("podidentity.dev", &["podidentitybindings"], &["list", "watch", "patch"]),
        ("podidentity.dev", &["podidentitybindings/status"], &["patch"]),
        ("events.k8s.io", &["events"], &["create", "patch"]),
    ]);
    let of_namespaces: &[&str] = if whole_cluster { &["list", "watch"] } else { &["get"] };
    all.extend(rights(&[("", &["namespaces"], of_namespaces)]));
    all
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn role(file: &str) -> Vec<Right> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(file);
        let role: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let list = |value: &Value| -> Vec<String> {
            value.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
        };
        let mut all = Vec::new();
        for rule in role["rules"].as_array().unwrap() {
            for group in list(&rule["apiGroups"]) {
                for resource in list(&rule["resources"]) {
                    all.extend(list(&rule["verbs"]).into_iter().map(|verb| Right {
                        group: group.clone(),
                        resource: resource.clone(),
                        verb,
                    }));
                }
            }
        }
        // Argo Rollouts are optional.
        all.retain(|it| !["argoproj.io", "apiextensions.k8s.io"].contains(&it.group.as_str()));
        all.sort();
        all
    }

    #[test]
    fn the_operators_rights_are_those_of_its_roles() {
        for (file, whole_cluster) in [("rbac/cluster_role.yaml", true), ("namespaced/rights/role.yaml", false)] {
            let mut asked = of_the_operator(whole_cluster);
            asked.sort();
            assert_eq!(asked, role(file), "{file}");
        }
    }
}
