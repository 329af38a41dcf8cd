//! The slips as data: one entry each, from which the reference page is made.

use std::fmt;
use std::fmt::Write as _;

use super::Severity;

/// What is to be known of a slip, whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// How bad it is as a rule; the text says when it is less or more.
    pub severity: Severity,
    /// What is seen.
    pub seen: &'static str,
    /// What is meant, and what comes of it instead.
    pub meant: &'static str,
    /// What to do.
    pub action: &'static str,
    /// How it is written, wrong first.
    pub example: &'static str,
}

/// Declares the slips, with all that is to be known of each.
macro_rules! slips {
    ($($name:ident: $severity:ident, $seen:literal, $meant:literal, $action:literal, $example:literal;)+) => {
        /// What people write when they mean a pod to have a role, and what does not come to that.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum SlipReason {
            $(#[doc = $seen] $name,)+
        }

        impl SlipReason {
            /// All slips, in their order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The slip as it stands in a status, for example `AnnotationMisspelt`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            /// What is to be known of it.
            pub const fn entry(self) -> Entry {
                match self {
                    $(Self::$name => Entry {
                        severity: Severity::$severity, seen: $seen, meant: $meant, action: $action, example: $example,
                    }),+
                }
            }
        }
    };
}

slips! {
    InvalidRoleArn: Error,
        "The service account's annotation, or its entry in the webhook's ConfigMap, is not the ARN of a role that pods can \
         assume; it is injected as it is. A Warning where only its partition is none that is known.",
        "A role. SDKs send the text to STS, which refuses it.",
        "Write `arn:aws:iam::ACCOUNT:role/NAME`, without blanks, quotes or what a template has left behind.",
        "eks.amazonaws.com/role-arn: my-role                                  # a name\n\
         eks.amazonaws.com/role-arn: arn:aws:iam::${account}:role/my-role     # a placeholder\n\
         eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/my-role   # right";
    RoleAnnotationEmpty: Error,
        "The annotation `role-arn` is there and empty.",
        "A role that a chart or a template was to fill in. The webhook takes an empty role for none and injects nothing.",
        "Fill it in where the manifest is made, or remove the annotation if no role is needed.",
        "eks.amazonaws.com/role-arn: \"\"                                       # wrong\n\
         eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/my-role   # right";
    RoleAnnotationMissing: Error,
        "The service account has annotations that go with a role, but no `role-arn`. A Warning where they have a meaning \
         without it, for EKS Pod Identity.",
        "A role. Without `role-arn` the webhook injects nothing.",
        "Add `role-arn`, or remove the other annotations.",
        "eks.amazonaws.com/audience: sts.amazonaws.com                        # alone: wrong\n\
         eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/my-role   # has to be there";
    AnnotationMisspelt: Error,
        "A key that nothing reads, but that is like one of the webhook's, or that holds the ARN of a role. A Warning where \
         the role does not depend on it.",
        "The key that it is like. The webhook reads only its own keys, letter by letter.",
        "Write the key as the message says.",
        "eks.amazonaws.com/role_arn: arn:aws:iam::111122223333:role/my-role   # wrong\n\
         eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/my-role   # right";
    AnnotationUnknown: Info,
        "A key in the webhook's domain that nothing reads, on a service account.",
        "Something that the webhook does not know.",
        "Remove it, or write one of `role-arn`, `audience`, `token-expiration` and `sts-regional-endpoints`.",
        "eks.amazonaws.com/session-duration: \"3600\"   # nothing reads it";
    AnnotationOfOtherTool: Error,
        "A key of kiam or kube2iam. A Warning on pods, where these tools read it; Info where there is a role by other means.",
        "A role by the way of that tool. The webhook does not read the key.",
        "Annotate the service account with `role-arn` and the whole ARN of the role, and remove the other key.",
        "iam.amazonaws.com/role: my-role                                      # kiam's, on pods\n\
         eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/my-role   # on the service account";
    AnnotationMisplaced: Error,
        "A key of the webhook in a place where it is not read: `role-arn` on a pod, a workload, a namespace or another \
         object, in a service account's manifest outside of `metadata.annotations`, in a chart's `podAnnotations`, or in its \
         values beside `annotations` or with dots that made maps; \
         `skip-containers` on a service account; a label as an annotation. A Warning where the role does not depend on it.",
        "The same in the place where it is read.",
        "Move it: `role-arn`, `audience` and `sts-regional-endpoints` to the service account's annotations, \
         `skip-containers` to the annotations of the pod template, `skip-pod-identity-webhook` to the labels of the pod \
         template.",
        "kind: Deployment\n\
         spec: {template: {metadata: {annotations: {eks.amazonaws.com/role-arn: ARN}}}}   # not read\n\
         ---\n\
         kind: ServiceAccount\n\
         metadata: {annotations: {eks.amazonaws.com/role-arn: ARN}}                       # read";
    AnnotationNotText: Error,
        "The value of an annotation or label is a number or a boolean.",
        "A text. Kubernetes refuses the whole object.",
        "Put the value in quotes.",
        "eks.amazonaws.com/token-expiration: 86400     # a number: refused\n\
         eks.amazonaws.com/token-expiration: \"86400\"   # right";
    AnnotationIgnored: Warning,
        "The webhook cannot read the value of an annotation and ignores it.",
        "Another value than the default, which holds instead.",
        "Write whole seconds, or `\"true\"` or `\"false\"`.",
        "eks.amazonaws.com/token-expiration: \"1h\"     # ignored\n\
         eks.amazonaws.com/token-expiration: \"3600\"   # right";
    LifetimeRaised: Warning,
        "A lifetime of a token below 600 seconds.",
        "A shorter lifetime. The webhook raises it to 600, the shortest that Kubernetes gives.",
        "Write 600 or more.",
        "eks.amazonaws.com/token-expiration: \"300\"   # 600 is what pods get";
    SkipsOtherwise: Warning,
        "`skip-containers` does not say what is meant: a blank beside a comma, another separator than a comma, text that is no \
         CSV, or a name that is nearly that of a container.",
        "To leave containers alone. The webhook compares names with their blanks, so the container gets the role after all.",
        "Write the names with commas alone.",
        "eks.amazonaws.com/skip-containers: \"istio-proxy, log\"   # log gets the role\n\
         eks.amazonaws.com/skip-containers: istio-proxy,log       # right";
    AudienceUnusual: Warning,
        "The audience is like `sts.amazonaws.com`, but another one; a placeholder; blank; or that of EKS Pod Identity. An \
         Error if it is empty.",
        "`sts.amazonaws.com`, most likely, which is the audience in every partition, China as well. STS refuses the token \
         unless the identity provider in IAM lists the audience and the trust policy allows it.",
        "Remove the annotation, or add the audience to the provider's client list and to the trust policy.",
        "eks.amazonaws.com/audience: sts.amazon.com      # not what is meant\n\
         eks.amazonaws.com/audience: sts.amazonaws.com   # the default: can be left out";
    ServiceAccountNotFound: Info,
        "A workload or a binding names a service account that is not there. A Warning where one of a like name is, or one \
         of the same name in another namespace. An Error where no service account can have the name.",
        "That other one, most likely. A pod takes the service account of its own namespace, of exactly the name that it \
         says; without one it is not created.",
        "Correct the name, or create the service account in the workload's namespace.",
        "kind: Deployment\n\
         metadata: {name: reports, namespace: finance}\n\
         spec: {template: {spec: {serviceAccountName: reports}}}   # the one of finance, not that of platform";
    ServiceAccountUnused: Info,
        "Nothing among the files runs as a service account that has a role. A Warning where a workload of the same name \
         names no service account, or one of another namespace runs as an account of the same name without a role.",
        "That a workload has the role. It runs as another service account.",
        "Set `serviceAccountName` in the workload's pod template.",
        "kind: ServiceAccount\n\
         metadata: {name: web, annotations: {eks.amazonaws.com/role-arn: ARN}}\n\
         ---\n\
         kind: Deployment\n\
         metadata: {name: web}\n\
         spec: {template: {spec: {containers: [...]}}}   # runs as default: serviceAccountName: web is missing";
    ServiceAccountNameMisplaced: Warning,
        "A workload names a service account in a field that is not that of its pods, or in `serviceAccount` beside another \
         one in `serviceAccountName`.",
        "That the pods run as it. They run as another service account.",
        "Write `serviceAccountName` in the spec of the pod template, spelled like this.",
        "kind: Deployment\n\
         spec:\n\
         \x20 serviceAccountName: web                          # not read\n\
         \x20 template: {spec: {serviceAccountName: web}}      # read";
    ServiceAccountRepeated: Warning,
        "Two manifests of one service account differ in `role-arn`.",
        "One role. The manifest that is applied last remains; one without `role-arn` removes it again.",
        "Keep one of the manifests.",
        "kind: ServiceAccount\n\
         metadata: {name: web, annotations: {eks.amazonaws.com/role-arn: ARN}}\n\
         ---\n\
         kind: ServiceAccount\n\
         metadata: {name: web}                                # removes the annotation";
    KindNotKnown: Error,
        "An object of a kind or an API version that does not exist, but that is nearly one that does.",
        "That one. kubectl and the API server refuse the object.",
        "Write `apiVersion` and `kind` as the message says.",
        "apiVersion: core/v1          # wrong\n\
         kind: serviceaccount\n\
         ---\n\
         apiVersion: v1               # right\n\
         kind: ServiceAccount";
    S3RoleUnused: Error,
        "Settings of an S3 connector (Hadoop's S3A in Spark and Flink, Iceberg's S3FileIO) with static keys, or with a \
         provider of credentials that does not know the role. A Warning where S3A is used and no provider is set.",
        "That the connector asks S3 as the role of the pod. By default S3A asks for static keys and for the node's role, \
         but not for the web identity of the pod.",
        "Remove the keys, and set `fs.s3a.aws.credentials.provider` to the provider of web identities.",
        "hadoopConf:\n\
         \x20 fs.s3a.aws.credentials.provider: com.amazonaws.auth.InstanceProfileCredentialsProvider   # the node's role\n\
         ---\n\
         hadoopConf:   # Hadoop 3.4; before: com.amazonaws.auth.WebIdentityTokenCredentialsProvider\n\
         \x20 fs.s3a.aws.credentials.provider: \
         software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider";
    TemplateNotLookedInto: Info,
        "A custom resource that seems to make pods, of a kind that is not known here: it has containers, names a service \
         account, or sets variables of an AWS SDK.",
        "To be judged as well.",
        "Look at its pods once they run: `kubectl podidentity explain pod/NAME`.",
        "kind: Trainer   # of a group that is not known\n\
         spec: {podTemplate: {spec: {containers: [...]}}}";
}

impl fmt::Display for SlipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The reference page of all slips, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Slips\n\n\
         <!-- Generated from crates/core/src/finding/slip_reason.rs; the test findings_page says how. -->\n\n\
         What is written where a role is meant and does not come to that. `kubectl podidentity lint` finds them in \
         manifests; `status`, `explain` and `verify` find in a cluster those that the API server lets pass; the operator \
         reports those of bound service accounts and their workloads in `status.findings`. What is wrong with pods is in \
         [findings](findings.md).\n\n\
         | Reason | Severity | What is seen |\n|---|---|---|\n",
    );
    for reason in SlipReason::ALL {
        let entry = reason.entry();
        let anchor = reason.as_str().to_lowercase();
        let _ = writeln!(page, "| [{reason}](#{anchor}) | {:?} | {} |", entry.severity, entry.seen);
    }
    for reason in SlipReason::ALL {
        let Entry { severity, seen, meant, action, example } = reason.entry();
        let _ = write!(
            page,
            "\n## {reason}\n\n{seen}\n\n- Severity: {severity:?}\n- What is meant: {meant}\n- What to do: {action}\n\n\
             ```yaml\n{example}\n```\n"
        );
    }
    page
}
