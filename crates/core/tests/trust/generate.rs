//! Random trust policies: mostly typical ones, and some that no one should write. The same number
//! gives the same policy.

use serde_json::{Value, json};

pub const ISSUER: &str = "https://oidc.example.com/id/1";
const PROVIDER: &str = "oidc.example.com/id/1";
pub const ARN: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1";
pub const ROLE: &str = "arn:aws:iam::111122223333:role/shop";
pub const SUBJECTS: [&str; 4] = [
    "system:serviceaccount:shop:web",
    "system:serviceaccount:shop:api",
    "system:serviceaccount:shop:web2",
    "system:serviceaccount:default:web",
];
pub const AUDIENCES: [&str; 2] = ["sts.amazonaws.com", "vault"];

/// A policy, and the token that asks for access.
pub struct Question {
    pub policy: Value,
    pub subject: &'static str,
    pub audience: &'static str,
}

/// A pseudo-random number generator (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        // The sequences of neighbouring seeds must not be related.
        let mut mixed = Self(seed ^ 0x5851_f42d_4c95_7f2d);
        Self(mixed.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True with this probability in percent.
    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// The question with this number.
pub fn question(number: u64) -> Question {
    let random = &mut Random::new(number);
    let mut policy = json!({});
    match random.below(100) {
        0..=79 => policy["Version"] = json!("2012-10-17"),
        80..=89 => policy["Version"] = json!("2008-10-17"),
        90 => policy["Version"] = json!("2020-01-01"),
        _ => {}
    }
    let statements: Vec<Value> = (0..=*random.of(&[0, 0, 1, 1, 2])).map(|_| statement(random)).collect();
    policy["Statement"] =
        if statements.len() == 1 && random.percent(30) { statements[0].clone() } else { json!(statements) };
    Question {
        policy,
        subject: SUBJECTS[random.below(SUBJECTS.len())],
        audience: AUDIENCES[random.below(AUDIENCES.len())],
    }
}

fn statement(random: &mut Random) -> Value {
    let mut statement = json!({ "Effect": if random.percent(75) { "Allow" } else { "Deny" } });
    statement[if random.percent(1) { "NotPrincipal" } else { "Principal" }] = principal(random);
    statement[if random.percent(6) { "NotAction" } else { "Action" }] = action(random);
    let conditions = *random.of(&[0, 1, 2, 2, 3]);
    if conditions > 0 || random.percent(5) {
        statement["Condition"] = json!({});
        for _ in 0..conditions {
            let (operator, key) = (operator(random), key(random));
            let values = values(random, &operator);
            statement["Condition"][operator][key] = values;
        }
    }
    if random.percent(1) {
        statement["Resource"] = json!("*");
    }
    statement
}

fn principal(random: &mut Random) -> Value {
    const OTHER: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/2";
    match random.below(24) {
        0..=14 => json!({ "Federated": ARN }),
        15..=16 => json!({ "Federated": [OTHER, ARN] }),
        17 => json!({ "Federated": OTHER }),
        18 => json!({ "Federated": ARN, "AWS": "arn:aws:iam::111122223333:root" }),
        19 => json!({ "AWS": "*" }),
        20 if random.percent(20) => json!("*"),
        20 => json!({ "Federated": [] }),
        21 => json!({ "Service": "s3.amazonaws.com" }),
        22 => json!({ "Federated": ARN.replace("111122223333", "11112222333") }),
        _ => json!({ "Federated": ARN.replace("arn:aws:", "arn:aws-cn:") }),
    }
}

fn action(random: &mut Random) -> Value {
    match random.below(24) {
        0..=14 => json!("sts:AssumeRoleWithWebIdentity"),
        15 => json!("sts:assumerolewithwebidentity"),
        16 => json!("sts:*"),
        17 => json!("STS:AssumeRole*"),
        18 => json!(["sts:TagSession", "sts:AssumeRoleWithWebIdentit?"]),
        19..=20 => json!("sts:AssumeRole"),
        21 => json!(["sts:AssumeRole", "sts:AssumeRoleWithSAML"]),
        22 => json!("sts:AssumeRoleWith?"),
        _ => json!(*random.of(&["*", "s3:GetObject", "sts:TagSession", "sts:AssumeRoleWithWebIdentity"])),
    }
}

const OPERATORS: &[&str] = &[
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringNotEquals",
    "StringNotLike",
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "Bool",
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericGreaterThanEquals",
    "DateEquals",
    "DateNotEquals",
    "DateGreaterThan",
    "BinaryEquals",
    "IpAddress",
    "NotIpAddress",
    "Null",
    "Null",
];

fn operator(random: &mut Random) -> String {
    let base = match random.below(100) {
        0..=44 => "StringEquals",
        45..=64 => "StringLike",
        65 => *random.of(&["StringEqual", "stringequals", "Matches", "StringLike"]),
        _ => random.of(OPERATORS),
    };
    let prefix = if random.percent(12) { *random.of(&["ForAllValues:", "ForAnyValue:"]) } else { "" };
    let suffix = if random.percent(if base == "Null" { 2 } else { 12 }) { "IfExists" } else { "" };
    format!("{prefix}{base}{suffix}")
}

fn key(random: &mut Random) -> String {
    match random.below(40) {
        0..=17 => format!("{PROVIDER}:sub"),
        18..=27 => format!("{PROVIDER}:aud"),
        28 => format!("{}:SUB", PROVIDER.to_uppercase()),
        29 => format!("{PROVIDER}:amr"),
        30 => "oidc.example.com:sub".to_owned(),
        31 => format!("{ARN}:aud"),
        32 => "sub".to_owned(),
        33 => "oidc.example.com/id/2:sub".to_owned(),
        34 => "sts:ExternalId".to_owned(),
        35 => "aws:SecureTransport".to_owned(),
        36 => "aws:MultiFactorAuthPresent".to_owned(),
        37 => (*random.of(&["aws:SourceIp", "aws:CurrentTime", "sts:RoleSessionName"])).to_owned(),
        38 => "saml:sub".to_owned(),
        _ => format!("{PROVIDER}/:sub"),
    }
}

fn values(random: &mut Random, operator: &str) -> Value {
    if operator.contains("Null") && random.percent(80) {
        return random.of(&[json!("true"), json!("false"), json!(true), json!("True")]).clone();
    }
    let count = *random.of(&[1, 1, 1, 1, 1, 2, 2, 3]);
    let all: Vec<Value> = (0..count).map(|_| value(random)).collect();
    match all.as_slice() {
        _ if random.percent(1) => json!([]),
        [one] if random.percent(70) => one.clone(),
        _ => json!(all),
    }
}

fn value(random: &mut Random) -> Value {
    match random.below(40) {
        0..=15 => json!(*random.of(&SUBJECTS[..])),
        16..=25 => json!(*random.of(&AUDIENCES[..])),
        26 => json!("system:serviceaccount:shop:*"),
        27 => json!("system:serviceaccount:*:web"),
        28 => json!("system:serviceaccount:shop:web?"),
        29 => json!("*"),
        30 => json!("SYSTEM:serviceaccount:shop:WEB"),
        31 => json!("sts.*"),
        32 => json!("${aws:username}"),
        33 => json!("system:serviceaccount:shop:${oidc.example.com/id/1:aud}"),
        34 => json!(*random.of(&["true", "false", "5", "2026-01-01T00:00:00Z"])),
        35 => json!(*random.of(&["203.0.113.0/24", "arn:aws:iam::111122223333:role/*", "c3Vi"])),
        36 => random.of(&[json!(true), json!(5)]).clone(),
        37 => json!("system:serviceaccount:shop:wéb"),
        38 => json!(""),
        _ => json!("system:serviceaccount:shop/web"),
    }
}
