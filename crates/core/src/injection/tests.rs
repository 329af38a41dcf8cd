//! The webhook's behaviour, point by point. Whole pods are in `tests/cases/inject`.

use serde_json::{Value, json};

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/my-role";
const FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

fn account(pairs: &[(&str, &str)]) -> Map {
    pairs.iter().map(|(name, value)| (format!("eks.amazonaws.com/{name}"), (*value).to_owned())).collect()
}

fn pod(value: Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

/// Injects into one container with these variables; returns the added variables and whether a mount
/// was added.
fn added(env: &[&str], annotations: &[(&str, &str)], settings: &Settings) -> (Vec<String>, bool) {
    let env: Vec<Value> = env.iter().map(|name| json!({"name": name})).collect();
    let pod = pod(json!({"metadata": {}, "spec": {"containers": [{"name": "app", "env": env}]}}));
    let mut injection = inject(&pod, &account(annotations), settings);
    let container = injection.containers.pop().unwrap_or_default();
    (
        container.env.into_iter().map(|var| format!("{}={}", var.name, var.value.unwrap())).collect(),
        container.mount.is_some(),
    )
}

#[test]
fn env_is_added_in_the_order_sts_regions_role_token() {
    let settings = Settings { region: Some("eu-west-1".into()), ..Settings::default() };
    let (env, mount) = added(&["A"], &[("role-arn", ROLE), ("sts-regional-endpoints", "T")], &settings);
    let expected = [
        "AWS_STS_REGIONAL_ENDPOINTS=regional".to_owned(),
        "AWS_DEFAULT_REGION=eu-west-1".to_owned(),
        "AWS_REGION=eu-west-1".to_owned(),
        format!("AWS_ROLE_ARN={ROLE}"),
        format!("AWS_WEB_IDENTITY_TOKEN_FILE={FILE}"),
    ];
    assert_eq!((env.as_slice(), mount), (expected.as_slice(), true));
}

#[test]
fn a_name_that_is_there_is_not_added_nor_its_twin() {
    let settings = Settings { region: Some("eu-west-1".into()), sts_regional_endpoints: true, ..Settings::default() };
    for (env, names) in [
        (vec![ROLE_ARN], vec![STS_ENDPOINTS, "AWS_DEFAULT_REGION", "AWS_REGION"]),
        (vec![TOKEN_FILE], vec![STS_ENDPOINTS, "AWS_DEFAULT_REGION", "AWS_REGION"]),
        (vec!["AWS_REGION"], vec![STS_ENDPOINTS, ROLE_ARN, TOKEN_FILE]),
        (vec!["AWS_DEFAULT_REGION"], vec![STS_ENDPOINTS, ROLE_ARN, TOKEN_FILE]),
        (vec![STS_ENDPOINTS], vec!["AWS_DEFAULT_REGION", "AWS_REGION", ROLE_ARN, TOKEN_FILE]),
        (vec![STS_ENDPOINTS, "AWS_REGION"], vec![ROLE_ARN, TOKEN_FILE]),
        (vec![ROLE_ARN, "AWS_REGION"], vec![STS_ENDPOINTS]),
    ] {
        let (added, mount) = added(&env, &[("role-arn", ROLE)], &settings);
        let added: Vec<&str> = added.iter().map(|var| var.split('=').next().unwrap()).collect();
        assert_eq!((added, mount), (names, true), "{env:?}");
    }
}

#[test]
fn a_container_with_identity_region_and_sts_gets_not_even_the_mount() {
    for identity in [ROLE_ARN, TOKEN_FILE] {
        for region in REGIONS {
            let found = added(&[region, identity, STS_ENDPOINTS], &[("role-arn", ROLE)], &Settings::default());
            assert_eq!(found, (vec![], false), "{identity} {region}");
        }
    }
}

#[test]
fn without_a_role_nothing_happens_and_a_bad_arn_is_injected_verbatim() {
    for annotations in [&[][..], &[("role-arn", "")], &[("audience", "a")]] {
        assert_eq!(added(&[], annotations, &Settings::default()), (vec![], false));
    }
    let (env, _) = added(&[], &[("role-arn", " not an arn ")], &Settings::default());
    assert_eq!(env[0], "AWS_ROLE_ARN= not an arn ");
}

#[test]
fn regional_sts_follows_the_annotation_where_go_can_read_it() {
    for (annotation, flag, regional) in [
        (None, false, false),
        (None, true, true),
        (Some("true"), false, true),
        (Some("0"), true, false),
        (Some("yes"), false, false),
        (Some("yes"), true, true),
        (Some(""), true, true),
    ] {
        let settings = Settings { sts_regional_endpoints: flag, ..Settings::default() };
        let mut annotations = vec![("role-arn", ROLE)];
        annotations.extend(annotation.map(|value| ("sts-regional-endpoints", value)));
        let (env, _) = added(&[], &annotations, &settings);
        assert_eq!(env.iter().any(|var| var.starts_with(STS_ENDPOINTS)), regional, "{annotation:?} {flag}");
    }
}

#[test]
fn expiration_of_the_pod_wins_over_the_accounts_and_is_raised_to_600() {
    for (pod_value, account_value, flag, expected) in [
        (None, None, 86400, 86400),
        (None, None, 60, 600),
        (None, Some("3600"), 86400, 3600),
        (Some("7200"), Some("3600"), 86400, 7200),
        (Some("soon"), Some("3600"), 86400, 3600),
        (Some("599"), Some("3600"), 86400, 600),
        (Some("-1"), None, 86400, 600),
        (Some("9999999"), None, 86400, 9_999_999),
        (None, Some("1h"), 86400, 86400),
        (None, Some(""), 86400, 86400),
    ] {
        let annotations = pod_value.map(|value| json!({"eks.amazonaws.com/token-expiration": value}));
        let pod = pod(json!({"metadata": {"annotations": annotations}}));
        let mut account = account(&[("role-arn", ROLE)]);
        account.extend(account_value.map(|value| ("eks.amazonaws.com/token-expiration".into(), value.into())));
        let settings = Settings { token_expiration: flag, ..Settings::default() };
        let volume = inject(&pod, &account, &settings).volume.unwrap();
        let token = volume.projected.unwrap().sources.remove(0).service_account_token.unwrap();
        assert_eq!(token.expiration_seconds, Some(expected), "{pod_value:?} {account_value:?} {flag}");
    }
}

#[test]
fn an_empty_audience_is_left_to_the_api_server() {
    for (annotation, audience) in [(None, Some("sts.amazonaws.com")), (Some("mine"), Some("mine")), (Some(""), None)] {
        let mut annotations = vec![("role-arn", ROLE)];
        annotations.extend(annotation.map(|value| ("audience", value)));
        let injection = inject(&pod(json!({"metadata": {}})), &account(&annotations), &Settings::default());
        let token = injection.volume.unwrap().projected.unwrap().sources.remove(0).service_account_token.unwrap();
        assert_eq!(token.audience.as_deref(), audience);
    }
}

#[test]
fn skipped_containers_are_left_alone_but_the_volume_is_added() {
    let pod = pod(json!({
        "metadata": {"annotations": {"eks.amazonaws.com/skip-containers": "a, b,init"}},
        "spec": {"initContainers": [{"name": "init"}], "containers": [{"name": "a"}, {"name": "b"}]},
    }));
    let injection = inject(&pod, &account(&[("role-arn", ROLE)]), &Settings::default());
    assert!(injection.init_containers[0].is_empty() && injection.containers[0].is_empty());
    assert_eq!(injection.containers[1].env.len(), 2, "names are not trimmed");
    assert!(injection.volume.is_some());
}

#[test]
fn the_skip_label_counts_whatever_its_value_and_domain() {
    let settings = Settings { annotation_domain: "example.com".into(), ..Settings::default() };
    let account = Map::from_iter([("example.com/role-arn".to_owned(), ROLE.to_owned())]);
    let labelled = |key: &str| pod(json!({"metadata": {"labels": {key: ""}}, "spec": {"containers": [{"name": "a"}]}}));
    assert!(inject(&labelled(SKIP_LABEL), &account, &settings).is_empty());
    assert!(!inject(&labelled("example.com/skip-pod-identity-webhook"), &account, &settings).is_empty());
}

#[test]
fn windows_pods_get_a_windows_path_and_a_posix_mount() {
    for key in ["kubernetes.io/os", "beta.kubernetes.io/os"] {
        let pod = pod(json!({
            "metadata": {},
            "spec": {"nodeSelector": {key: "windows"}, "containers": [{"name": "a"}]},
        }));
        let injection = inject(&pod, &account(&[("role-arn", ROLE)]), &Settings::default());
        let container = &injection.containers[0];
        let file = container.env[1].value.as_deref();
        assert_eq!(file, Some(r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token"));
        assert_eq!(container.mount.as_ref().unwrap().mount_path, Settings::default().mount_path);
    }
}

#[test]
fn a_mount_or_a_volume_of_the_name_is_kept_whatever_it_is() {
    let pod = pod(json!({
        "metadata": {},
        "spec": {
            "containers": [{"name": "a", "volumeMounts": [{"name": VOLUME, "mountPath": "/elsewhere"}]}],
            "volumes": [{"name": VOLUME, "emptyDir": {}}],
        },
    }));
    let injection = inject(&pod, &account(&[("role-arn", ROLE)]), &Settings::default());
    assert_eq!((injection.containers[0].mount.as_ref(), injection.volume.as_ref()), (None, None));
    assert_eq!(injection.containers[0].env.len(), 2);
}

#[test]
fn a_mount_path_is_verbatim_in_the_mount_and_clean_in_the_variable() {
    let settings = Settings { mount_path: "/var//aws/".into(), ..Settings::default() };
    let pod = pod(json!({"metadata": {}, "spec": {"containers": [{"name": "a"}]}}));
    let injection = inject(&pod, &account(&[("role-arn", ROLE)]), &settings);
    assert_eq!(injection.containers[0].mount.as_ref().unwrap().mount_path, "/var//aws/");
    assert_eq!(injection.containers[0].env[1].value.as_deref(), Some("/var/aws/token"));
}

#[test]
fn a_document_keeps_what_is_not_modelled_and_nulls_become_lists() {
    let mut spec = json!({
        "priority": 7,
        "initContainers": null,
        "containers": [{"name": "a", "image": "x", "env": null, "volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "None"}]}],
        "volumes": [{"name": "v", "emptyDir": {"medium": "Memory"}}],
    });
    let pod = pod(json!({"metadata": {}, "spec": spec}));
    let injection = inject(&pod, &account(&[("role-arn", ROLE)]), &Settings::default());
    injection.apply_to_value(&mut spec).unwrap();
    assert_eq!(
        spec,
        json!({
            "priority": 7,
            "initContainers": null,
            "containers": [{
                "name": "a", "image": "x",
                "env": [{"name": ROLE_ARN, "value": ROLE}, {"name": TOKEN_FILE, "value": FILE}],
                "volumeMounts": [
                    {"name": "v", "mountPath": "/v", "mountPropagation": "None"},
                    {"name": VOLUME, "mountPath": "/var/run/secrets/eks.amazonaws.com/serviceaccount", "readOnly": true},
                ],
            }],
            "volumes": [
                {"name": VOLUME, "projected": {"sources": [{"serviceAccountToken": {
                    "audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}}]}},
                {"name": "v", "emptyDir": {"medium": "Memory"}},
            ],
        })
    );
}

#[test]
fn another_document_is_refused() {
    let pod = pod(json!({"metadata": {}, "spec": {"containers": [{"name": "a"}]}}));
    let injection = inject(&pod, &account(&[("role-arn", ROLE)]), &Settings::default());
    for mut spec in [json!(null), json!({}), json!({"containers": {}}), json!({"containers": [1]})] {
        injection.apply_to_value(&mut spec).unwrap_err();
    }
    Injection::default().apply_to_value(&mut json!(null)).unwrap();
}
