//! Service accounts and pods of all kinds, reproducible by the seed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A service account; `default` already exists.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A pod and its service account, empty for none.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) account: String,
    pub(crate) pod: Value,
}

pub(crate) fn generate(seed: u64, accounts: usize, pods: usize) -> (Vec<Account>, Vec<Case>) {
    let mut dice = Dice(seed);
    let accounts: Vec<Account> = (0..accounts).map(account).collect();
    let cases = (0..pods).map(|n| case(&mut dice, format!("pod-{n}"), &accounts[n % accounts.len()].name)).collect();
    (accounts, cases)
}

/// The generator splitmix64: small, and good enough to pick from lists.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).expect("a small number");
        usize::try_from((mixed ^ (mixed >> 31)) % bound).expect("below the bound")
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, options: &[&'a T]) -> &'a T {
        options[self.below(options.len())]
    }
}

const ROLES: &[&str] = &[
    "arn:aws:iam::111122223333:role/my-role",
    "arn:aws:iam::111122223333:role/team/other",
    "arn:aws-cn:iam::111122223333:role/my-role",
    "my-role",
    " spaces and \"quotes\" and \\ and \u{e9}",
    "$(EXPANDED)",
];

const AUDIENCES: &[&str] = &["sts.amazonaws.com", "sts.amazonaws.com.cn", "", "a b", "https://example.com/\u{e9}"];

const BOOLEANS: &[&str] =
    &["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False", "", "yes", "tRUE", " true"];

/// Some are not valid Go integers, and some are below the minimum. The API server refuses values
/// above 2^32.
const LIFETIMES: &[&str] = &[
    "3600",
    "86400",
    "600",
    "599",
    "601",
    "0",
    "-1",
    "-0",
    "-99999",
    "+900",
    "0900",
    "00000000000000000000000000000001200",
    "86401",
    "4294967296",
    "",
    "1h",
    " 700",
    "700 ",
    "700\n",
    "1_000",
    "0x10",
    "1e3",
    "900.0",
    "+",
    "--5",
    "\u{661}\u{662}\u{663}\u{664}",
    "99999999999999999999",
    "4294967297",
    "500000000000000000",
];

/// Values of `skip-containers`. `NAME` stands for the name of a container, and `OTHER` for the name
/// of another.
const SKIPS: &[&str] = &[
    "NAME",
    "NAME,OTHER",
    "NAME, OTHER",
    " NAME",
    "NAME ",
    "NAME,",
    ",NAME",
    ",",
    "",
    "NAME;OTHER",
    "unknown,NAME",
    "\n\nNAME\nOTHER",
    "OTHER\nNAME\"",
    "NAME\r\nOTHER",
    "NAME\r",
    "NAME\r\r",
    "NAME\r,OTHER",
    "\r\nNAME",
    "\r",
    "\"NAME\"",
    "\"NAME\",OTHER",
    "OTHER,\"NAME\"\r",
    "\"NAME\" ,OTHER",
    "\"NAME",
    "NAME,\"OTHER",
    "NAME,OT\"HER",
    "\"\"\"NAME\"\"\"",
    "\"NA\"\"ME\"",
    "\"two\nlines\",NAME",
    "\"NAME\nOTHER\"",
    "\"NAME\r\n\",OTHER",
    "\"a,b\",NAME,\"\"",
    "\u{e9},NAME,'OTHER'",
];

const AWS_NAMES: &[&str] =
    &["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_STS_REGIONAL_ENDPOINTS", "AWS_REGION", "AWS_DEFAULT_REGION"];

const OTHER_NAMES: &[&str] = &["A", "B", "aws_role_arn", "AWS_ROLE_ARN_2", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"];

/// Not random, so that every value occurs several times, alone and with other values.
fn account(number: usize) -> Account {
    let mut annotations = BTreeMap::new();
    let mut set = |key: &str, value: &str| annotations.insert(format!("eks.amazonaws.com/{key}"), value.to_owned());
    match number % 11 {
        1 => {}
        2 => drop(set("role-arn", "")),
        3 | 4 => drop(set("role-arn", ROLES[number % ROLES.len()])),
        _ => drop(set("role-arn", ROLES[0])),
    }
    for (key, values) in
        [("audience", AUDIENCES), ("token-expiration", LIFETIMES), ("sts-regional-endpoints", BOOLEANS)]
    {
        // In half of the cases, the annotation is absent.
        if let Some(value) = values.get(number % (2 * values.len())) {
            set(key, value);
        }
    }
    // Has a meaning only on a pod.
    if number % 8 == 5 {
        set("skip-containers", "main");
    }
    let name = if number == 0 { "default".to_owned() } else { format!("account-{number}") };
    Account { name, annotations }
}

fn case(dice: &mut Dice, name: String, account: &str) -> Case {
    let mut spec = containers(dice);
    spec["schedulerName"] = json!("nobody");
    // The API server's own token.
    if dice.one_in(6) {
        spec["automountServiceAccountToken"] = json!(false);
    }
    volumes(dice, &mut spec);
    node_selector(dice, &mut spec);
    let mut metadata = json!({"name": name, "labels": labels(dice), "annotations": annotations(dice, &spec)});
    let account = if dice.one_in(40) {
        // The kubelet's copy of a static pod. It must have neither a service account nor references
        // to API objects.
        metadata["annotations"] = json!({"kubernetes.io/config.mirror": "mirror"});
        spec = json!({"nodeName": "no-such-node", "containers": [{"name": "main", "image": "app"}]});
        String::new()
    } else {
        service_account(dice, &mut spec, account)
    };
    Case { name, account, pod: json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}) }
}

fn service_account(dice: &mut Dice, spec: &mut Value, account: &str) -> String {
    match dice.below(16) {
        0 => return "default".to_owned(),
        1 => {
            spec["serviceAccountName"] = json!("");
            return "default".to_owned();
        }
        // The deprecated name of the field.
        2 => spec["serviceAccount"] = json!(account),
        _ => spec["serviceAccountName"] = json!(account),
    }
    account.to_owned()
}

fn labels(dice: &mut Dice) -> Value {
    match dice.below(20) {
        0 => json!({"eks.amazonaws.com/skip-pod-identity-webhook": ""}),
        1 => json!({"eks.amazonaws.com/skip-pod-identity-webhook": "false", "app": "x"}),
        2..=8 => json!({"app": "x"}),
        9 => Value::Null,
        _ => json!({}),
    }
}

fn annotations(dice: &mut Dice, spec: &Value) -> Value {
    let mut annotations = Map::new();
    let mut set = |key: &str, value: &str| annotations.insert(format!("eks.amazonaws.com/{key}"), json!(value));
    if dice.one_in(4) {
        set("token-expiration", dice.pick(LIFETIMES));
    }
    if dice.one_in(2) {
        let mut name = || {
            let list = if dice.one_in(3) { "initContainers" } else { "containers" };
            let of = spec[list].as_array().filter(|list| !list.is_empty()).or(spec["containers"].as_array());
            let of = of.expect("a pod has containers");
            of[dice.below(of.len())]["name"].as_str().expect("a name").to_owned()
        };
        let (one, other) = (name(), name());
        set("skip-containers", &dice.pick(SKIPS).replace("NAME", &one).replace("OTHER", &other));
    }
    // Has a meaning only on a service account.
    if dice.one_in(8) {
        set("audience", "not-of-a-pod");
    }
    if annotations.is_empty() && dice.one_in(2) { Value::Null } else { Value::Object(annotations) }
}

fn containers(dice: &mut Dice) -> Value {
    let many = if dice.one_in(25) { 40 } else { 1 };
    let count = (1 + dice.below(3)) * many;
    let containers: Vec<Value> = (0..count).map(|n| container(dice, &name("main", n))).collect();
    let mut init = Vec::new();
    if dice.one_in(2) {
        for n in 0..=dice.below(3) {
            let mut container = container(dice, &name("init", n));
            if dice.one_in(2) {
                container["restartPolicy"] = json!("Always");
            }
            init.push(container);
        }
    }
    let init = if init.is_empty() && dice.one_in(4) { Value::Null } else { Value::Array(init) };
    json!({"containers": containers, "initContainers": init})
}

/// The names of a pod's containers. Some are prefixes of others.
fn name(prefix: &str, index: usize) -> String {
    if index == 0 { prefix.to_owned() } else { format!("{prefix}-{index}") }
}

fn container(dice: &mut Dice, name: &str) -> Value {
    let mut container = json!({"name": name, "image": "registry.example.com/app:1"});
    match dice.below(12) {
        0 => container["env"] = Value::Null,
        1 => container["env"] = json!([]),
        2..=6 => container["env"] = Value::Array((0..=dice.below(5)).map(|_| variable(dice)).collect()),
        // Everything that makes the webhook skip a container, or nearly everything.
        7 => {
            let names = [dice.pick(&AWS_NAMES[..2]), "AWS_STS_REGIONAL_ENDPOINTS", dice.pick(AWS_NAMES)];
            container["env"] = names.iter().map(|name| json!({"name": name, "value": "preset"})).collect();
        }
        _ => {}
    }
    if dice.one_in(8) {
        container["envFrom"] = json!([{"secretRef": {"name": "aws", "optional": true}}]);
    }
    mounts(dice, &mut container);
    container
}

fn variable(dice: &mut Dice) -> Value {
    let names = if dice.one_in(2) { AWS_NAMES } else { OTHER_NAMES };
    let name = dice.pick(names);
    match dice.below(5) {
        0 => json!({"name": name}),
        1 => json!({"name": name, "value": ""}),
        2 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        3 => json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        _ => json!({"name": name, "value": "$(A) preset"}),
    }
}

fn mounts(dice: &mut Dice, container: &mut Value) {
    let token = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let mounts = match dice.below(30) {
        0 => json!([]),
        1 => Value::Null,
        2 => json!([{"name": "aws-iam-token", "mountPath": "/elsewhere"}]),
        3 => json!([{"name": "aws-iam-token", "mountPath": token, "readOnly": false}]),
        4 => json!([{"name": "data", "mountPath": "/var/run/secrets"}, {"name": "data", "mountPath": "/data"}]),
        5..=8 => json!([{"name": "data", "mountPath": "/data", "subPath": "x"}]),
        // The same path under another name: the API server refuses the result.
        9 if dice.one_in(3) => json!([{"name": "data", "mountPath": token}]),
        _ => return,
    };
    container["volumeMounts"] = mounts;
}

fn volumes(dice: &mut Dice, spec: &mut Value) {
    let mut volumes = Vec::new();
    if spec.to_string().contains("\"data\"") || dice.one_in(4) {
        volumes.push(json!({"name": "data", "emptyDir": {}}));
    }
    let own = match dice.below(24) {
        0 => json!({"name": "aws-iam-token", "emptyDir": {}}),
        1 => json!({"name": "aws-iam-token", "secret": {"secretName": "token"}}),
        2 => json!({"name": "aws-iam-token", "projected": {"sources": [
            {"serviceAccountToken": {"audience": "own", "expirationSeconds": 700, "path": "own"}}]}}),
        3 => json!({"name": "aws-iam-token-2", "emptyDir": {"medium": "Memory"}}),
        _ => Value::Null,
    };
    if !own.is_null() {
        let place = dice.below(volumes.len() + 1);
        volumes.insert(place, own);
    }
    if !volumes.is_empty() {
        spec["volumes"] = Value::Array(volumes);
    }
}

fn node_selector(dice: &mut Dice, spec: &mut Value) {
    let selector = match dice.below(24) {
        0 | 1 => json!({"kubernetes.io/os": "windows"}),
        2 => json!({"beta.kubernetes.io/os": "windows"}),
        3 => json!({"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "windows"}),
        4 => json!({"kubernetes.io/os": "Windows"}),
        5 => json!({"kubernetes.io/os": "linux", "zone": "windows"}),
        6 => Value::Null,
        _ => return,
    };
    spec["nodeSelector"] = selector;
}
