//! Documents that are nearly pods, with values of wrong types, nulls, huge and empty texts, and
//! duplicates.

use serde_json::{Map, Value, json};

/// A small random number generator with the same sequence in every run (xorshift64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const NAMES: &[&str] = &[
    "app",
    "app",
    "aws-iam-token",
    "data",
    "",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_REGION",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "A",
    "B",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];
const TEXTS: &[&str] = &[
    "",
    "token",
    "/",
    "//",
    "..",
    "/../..",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    r"C:\",
    r"c:\var\run",
    "C:",
    "$(A)",
    "$(A)$(B)$(A)",
    "$$",
    "$(",
    "\u{0}\u{1b}[31m\r\n",
    "\u{202e}",
    "\u{e9}\u{1f600}",
    "regional",
    "windows",
    "a,b,\"app",
    "\"",
    "sts.amazonaws.com",
    "arn:aws:iam::111122223333:role/my-role",
    "arn:aws:iam::111122223333:role/other",
];

/// A document similar to a pod.
pub fn pod(random: &mut Random) -> Value {
    let metadata = object(
        random,
        &[("name", text), ("creationTimestamp", time), ("labels", labels), ("annotations", annotations)],
    );
    let spec = object(
        random,
        &[
            ("initContainers", containers),
            ("containers", containers),
            ("volumes", volumes),
            ("hostNetwork", |random| json!(random.one_in(2))),
            ("nodeSelector", |random| json!({"kubernetes.io/os": text(random)})),
            ("os", |random| json!({"name": text(random)})),
            ("securityContext", security),
        ],
    );
    json!({"metadata": metadata, "spec": spec})
}

type Field = (&'static str, fn(&mut Random) -> Value);

/// An object with some of the fields, occasionally with an odd value.
fn object(random: &mut Random, fields: &[Field]) -> Value {
    let mut object = Map::new();
    for (name, value) in fields {
        if random.one_in(4) {
            continue;
        }
        let value = if random.one_in(250) { odd(random) } else { value(random) };
        object.insert((*name).to_owned(), value);
    }
    Value::Object(object)
}

fn odd(random: &mut Random) -> Value {
    match random.below(8) {
        0 => json!(-1),
        1 => json!(1e300),
        2 => json!(true),
        3 => json!([[]]),
        4 => json!({"": {}}),
        5 => json!("x".repeat(20_000)),
        6 => json!("$(A)".repeat(2_000)),
        _ => Value::Null,
    }
}

fn text(random: &mut Random) -> Value {
    json!(random.pick(TEXTS))
}

fn name(random: &mut Random) -> Value {
    json!(random.pick(NAMES))
}

fn number(random: &mut Random) -> Value {
    json!([0, 1, -1, 420, 256, 3600, 86400, i32::MAX][random.below(8)])
}

fn time(random: &mut Random) -> Value {
    json!(random.pick(&["2026-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"]))
}

fn labels(random: &mut Random) -> Value {
    let key =
        random.pick(&["a", "a", "a", "eks.amazonaws.com/skip-pod-identity-webhook", "eks.amazonaws.com/pod-identity"]);
    json!({key: "enabled"})
}

fn annotations(random: &mut Random) -> Value {
    json!({"eks.amazonaws.com/skip-containers": text(random), "eks.amazonaws.com/token-expiration": text(random)})
}

fn list(random: &mut Random, most: usize, item: fn(&mut Random) -> Value) -> Value {
    (0..random.below(most + 1)).map(|_| item(random)).collect()
}

fn containers(random: &mut Random) -> Value {
    list(random, 3, |random| {
        object(
            random,
            &[
                ("name", name),
                ("env", |random| list(random, 6, variable)),
                ("envFrom", |random| list(random, 2, env_from)),
                ("volumeMounts", |random| list(random, 3, mount)),
                ("securityContext", security),
            ],
        )
    })
}

fn variable(random: &mut Random) -> Value {
    let source: fn(&mut Random) -> Value =
        |random| object(random, &[("secretKeyRef", |random| object(random, &[("name", text), ("key", text)]))]);
    if random.one_in(4) {
        object(random, &[("name", name), ("valueFrom", source)])
    } else {
        object(random, &[("name", name), ("value", text)])
    }
}

fn env_from(random: &mut Random) -> Value {
    object(random, &[("prefix", text), ("secretRef", |random| json!({"name": text(random)}))])
}

fn mount(random: &mut Random) -> Value {
    object(random, &[("name", name), ("mountPath", text), ("subPath", text), ("subPathExpr", text)])
}

fn security(random: &mut Random) -> Value {
    object(random, &[("fsGroup", number), ("runAsUser", number)])
}

fn volumes(random: &mut Random) -> Value {
    list(random, 3, |random| object(random, &[("name", name), ("projected", projected)]))
}

fn projected(random: &mut Random) -> Value {
    object(
        random,
        &[
            ("defaultMode", number),
            ("sources", |random| {
                list(random, 3, |random| {
                    object(
                        random,
                        &[
                            ("serviceAccountToken", |random| {
                                object(random, &[("audience", text), ("expirationSeconds", number), ("path", text)])
                            }),
                            (
                                "secret",
                                |random| json!({"items": list(random, 2, |random| json!({"path": text(random)}))}),
                            ),
                        ],
                    )
                })
            }),
        ],
    )
}
