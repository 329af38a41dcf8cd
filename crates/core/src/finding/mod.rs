//! Findings: what is wrong with a pod, how bad it is, and whether a restart would cure it.

use std::fmt;
use std::fmt::Write as _;

use crate::message::Message;

pub use podidentity_api::FindingSeverity as Severity;

mod slip_reason;

pub use self::slip_reason::{Entry, SlipReason, reference as slip_reference};

/// What is to be known of a reason, whichever pod has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// How bad it is.
    pub severity: Severity,
    /// Whether a restart cures it, in words.
    pub roll: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do.
    pub action: &'static str,
}

/// Declares the reasons, worst first, with all that is to be known of each.
macro_rules! reasons {
    ($($name:ident: $severity:ident, $roll:expr, $summary:literal, $cause:literal, $action:literal;)+) => {
        /// Why a pod does not have the identity, or what is not as it should be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingReason {
            $(#[doc = $summary] $name,)+
            /// What is written where a role is meant does not come to that.
            Slip(SlipReason),
        }

        impl FindingReason {
            /// All reasons about pods, in their order.
            pub const OF_PODS: &[Self] = &[$(Self::$name),+];

            /// The reason as it stands in a status, for example `StaleRole`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                    Self::Slip(slip) => slip.as_str(),
                }
            }

            /// What is to be known of it.
            pub fn about(self) -> About {
                match self {
                    $(Self::$name => About {
                        severity: Severity::$severity, roll: $roll, summary: $summary, cause: $cause, action: $action,
                    },)+
                    Self::Slip(slip) => {
                        let Entry { severity, seen, meant, action, .. } = slip.entry();
                        About { severity, roll: NO, summary: seen, cause: meant, action }
                    }
                }
            }
        }
    };
}

const YES: &str = "yes";
const YES_BOUNDED: &str = "yes, tried a few times";
const NO: &str = "no";
const BY_TEMPLATE: &str = "yes, unless the template itself causes it";

reasons! {
    PodPredatesBinding: Error, YES,
        "The pod has no identity; it is older than the service account's annotation.",
        "The webhook injects when a pod is created. This pod was created before the service account was annotated, or \
         the annotation is not in force yet.",
        "Nothing, if the operator may restart the workload. Otherwise restart it, or delete the pod.";
    InjectionMissed: Error, YES_BOUNDED,
        "The pod has no identity although it is newer than the service account's annotation.",
        "The webhook was unavailable (it fails open), its cache did not know the annotation yet, or there is no webhook \
         in the cluster.",
        "The operator restarts the workload a few times. If that does not help, look whether the webhook \
         `pod-identity-webhook` exists and answers.";
    StaleRole: Error, YES,
        "The pod acts as another role than the wanted one, and its template does not ask for that.",
        "The role changed after the pod was created: environment variables are set at creation only.",
        "Nothing, if the operator may restart the workload. Otherwise restart it.";
    RoleEnvPreset: Error, NO,
        "The template itself sets `AWS_ROLE_ARN`: to another value, to nothing, or from a source that cannot be seen.",
        "The webhook never overrides a variable that is there, and then adds neither role nor token file.",
        "Remove `AWS_ROLE_ARN` from the template, or set it to the wanted role together with the token file and mount.";
    PodIdentityInstead: Error, NO,
        "The container gets its credentials from EKS Pod Identity, not from the role.",
        "The cluster has a pod identity association for the service account: the webhook then ignores the role's \
         annotation.",
        "Keep one of the two: delete the association and restart the workload, or set `spec.mechanism` of the binding to \
         `PodIdentity`.";
    PodIdentityMissing: Error, YES_BOUNDED,
        "The container has no credentials of EKS Pod Identity, which its binding declares.",
        "The pod is older than the association of its service account, the cluster has no such association, or the webhook \
         did not know of it yet when the pod was created.",
        "Look whether `aws eks list-pod-identity-associations` has one for the service account. The operator restarts the \
         workload a few times.";
    WebIdentityInstead: Error, BY_TEMPLATE,
        "The container has a web identity (IRSA), or the token file of one, and its binding declares EKS Pod Identity.",
        "The pod is older than the association of its service account, or its template sets `AWS_ROLE_ARN` and \
         `AWS_WEB_IDENTITY_TOKEN_FILE` itself: SDKs take these before the credentials of the association.",
        "Nothing, if the operator may restart the workload. Remove the variables from the template if it sets them.";
    CredentialsUriMismatch: Error, BY_TEMPLATE,
        "`AWS_CONTAINER_CREDENTIALS_FULL_URI` does not name the agent of EKS Pod Identity, or cannot be seen, or SDKs ask \
         another agent first.",
        "The template sets the variable for another agent or from a source that cannot be seen, or it sets \
         `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.",
        "Remove the variable from the template, so that the webhook sets the right one.";
    RoleEnvMissing: Error, BY_TEMPLATE,
        "`AWS_WEB_IDENTITY_TOKEN_FILE` is set but `AWS_ROLE_ARN` is not.",
        "Either name in the template keeps the webhook from adding the other.",
        "Remove `AWS_WEB_IDENTITY_TOKEN_FILE` from the template, or set both variables.";
    TokenEnvMissing: Error, BY_TEMPLATE,
        "`AWS_ROLE_ARN` is the wanted role but `AWS_WEB_IDENTITY_TOKEN_FILE` is not set.",
        "Either name in the template keeps the webhook from adding the other, even if its value is the wanted one.",
        "Remove `AWS_ROLE_ARN` from the template, or set both variables.";
    TokenEnvMismatch: Error, BY_TEMPLATE,
        "`AWS_WEB_IDENTITY_TOKEN_FILE` does not name the file at which the token is mounted.",
        "The template sets the variable, or mounts the volume `aws-iam-token` at a path of its own.",
        "Remove the variable or the mount from the template, or make them agree.";
    MountMissing: Error, BY_TEMPLATE,
        "The variables are set but no volume is mounted where they say the token is.",
        "The webhook leaves a container alone that already has an identity variable, a region variable and \
         `AWS_STS_REGIONAL_ENDPOINTS`: it does not add the mount either.",
        "Remove one of the variables from the template, or mount the token's volume.";
    ForeignTokenVolume: Error, BY_TEMPLATE,
        "What is mounted where the token should be is not a projected token of the service account.",
        "The template has a volume named `aws-iam-token`, which the webhook keeps, or mounts another volume there.",
        "Rename or remove the volume in the template, or make it a projected `serviceAccountToken`.";
    AudienceMismatch: Error, BY_TEMPLATE,
        "The token is for another audience than the wanted one.",
        "The audience changed after the pod was created, or the template projects a token of its own. A token without \
         an audience is for the Kubernetes API server.",
        "Restart the workload if the audience was changed, otherwise correct the volume in the template.";
    InjectionRefused: Error, NO,
        "The API server refuses the workload's next pods, as their template is or once the role is injected.",
        "The template mounts something of its own at the path where the token is mounted, mounts two volumes at one path, \
         has two volumes of one name, or asks for a lifetime of a token below 600 seconds or above 2^32. Pods that run \
         already go on; none can be created. `inject` leaves such a container alone.",
        "Remove the template's own mount and variables, so that the webhook adds them, or leave the container out by the \
         annotation `eks.amazonaws.com/skip-containers` of the pod template.";
    TooLargeToJudge: Error, NO,
        "The pod has so many parts that it is not judged.",
        "It has more than 200 containers, or more than 10,000 variables, mounts, volumes and projected sources. The API \
         server takes such pods; what is found in them would help nobody, and would cost everybody.",
        "Make the pod smaller, or delete it.";
    ApiServerToken: Error, BY_TEMPLATE,
        "`AWS_WEB_IDENTITY_TOKEN_FILE` names the token for the Kubernetes API server, which STS refuses.",
        "The template names `/var/run/secrets/kubernetes.io/serviceaccount/token`, which the kubelet mounts into nearly every \
         container, for another audience. No volume of the template has it.",
        "Remove `AWS_ROLE_ARN` and `AWS_WEB_IDENTITY_TOKEN_FILE` from the template, so that the webhook sets them.";
    TokenUnreadable: Error, BY_TEMPLATE,
        "The container's user cannot read the token.",
        "The volume's `defaultMode` lets only root read it, the container runs as another user, and neither `fsGroup` nor \
         one `runAsUser` for all containers tells the kubelet whose the file is to be.",
        "Set `securityContext.fsGroup` in the template, or leave `defaultMode` out.";
    RegionMismatch: Error, BY_TEMPLATE,
        "The region is of another partition than the role. A Warning where another variable has a right one.",
        "`AWS_REGION` or `AWS_DEFAULT_REGION` was taken over from another partition: `aws`, `aws-cn` and `aws-us-gov` know \
         nothing of each other's roles.",
        "Set a region of the role's partition, or name the role of the region's.";
    RegionInvalid: Error, BY_TEMPLATE,
        "The region is not one. A Warning where another variable may have a right one, or where it may be that of another \
         maker's service.",
        "`AWS_REGION` or `AWS_DEFAULT_REGION` has the name of an availability zone (`us-east-1a`), capitals, blanks, or a \
         reference such as `$(REGION)` to a variable that is not set: the kubelet leaves that as it is.",
        "Write the region, for example `us-east-1`.";
    SessionNameInvalid: Error, BY_TEMPLATE,
        "`AWS_ROLE_SESSION_NAME` is not a name that STS takes.",
        "The template sets the variable to a text with blanks, slashes or colons, of one character, or of more than 64.",
        "Write 2 to 64 letters, digits and `_+=,.@-`, or remove the variable.";
    RegionMissing: Warning, BY_TEMPLATE,
        "No region is set, and a regional STS endpoint is asked for, or the role is of another partition than `aws`.",
        "`AWS_STS_REGIONAL_ENDPOINTS` is `regional`, or the global endpoint `sts.amazonaws.com` does not know the role, and \
         neither the template nor the webhook sets `AWS_REGION`: a webhook of your own does so only with \
         `--aws-default-region`.",
        "Set `AWS_REGION` in the template, or let the webhook or the injection policy set it.";
    TokenPathOfUnix: Warning, NO,
        "A container of Windows looks for its token at a path without a drive.",
        "The webhook sees Windows by the node selector `kubernetes.io/os` only, not by `os.name`, an affinity, `hostProcess` or \
         another label of nodes.",
        "Add `nodeSelector` with `kubernetes.io/os: windows` to the template.";
    TokenExpirationMismatch: Warning, "yes, unless the pod's annotation or its own volume sets it",
        "The token's lifetime is not the declared one.",
        "The lifetime changed after the pod was created, or the template sets another one by the annotation \
         `eks.amazonaws.com/token-expiration`, which wins, or by a volume of its own.",
        "Restart the workload, or remove the annotation from the template.";
    TokenNotRefreshed: Warning, NO,
        "The token is mounted by `subPath`, so the container keeps the first one, which expires.",
        "The kubelet renews the files of a volume, but not those of a `subPath` mount.",
        "Mount the whole volume.";
    StsEndpointMismatch: Warning, BY_TEMPLATE,
        "`AWS_STS_REGIONAL_ENDPOINTS` does not agree with `stsRegionalEndpoints`, or is neither `legacy` nor `regional`.",
        "The setting changed after the pod was created, or the template sets the variable, which wins.",
        "Restart the workload, or remove the variable from the template.";
    ContainerSkipped: Info, NO,
        "The container has no identity because the pod's annotation says so.",
        "The pod's annotation `eks.amazonaws.com/skip-containers` names it.",
        "Nothing, if the container needs no role.";
    WebhookSkipped: Warning, NO,
        "The pod has no identity because its label says so.",
        "The pod has the label `eks.amazonaws.com/skip-pod-identity-webhook`, with whatever value.",
        "Remove the label from the template, or let the pod run as another service account.";
    StaticCredentialsShadow: Warning, NO,
        "Static credentials or a profile are set, which SDKs use before the role, or may. An Error where both keys are \
         set: then SDKs do. Info where they come from keys of Secrets that may be absent.",
        "`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, `AWS_PROFILE`, `AWS_DEFAULT_PROFILE`, \
         `AWS_SHARED_CREDENTIALS_FILE` or `AWS_CONFIG_FILE` is in the container's environment, or the older names \
         `AWS_ACCESS_KEY` and `AWS_SECRET_KEY`, or a Secret or ConfigMap is mounted as `.aws` of a home directory.",
        "Remove these variables or the mount from the template, unless a profile is meant to assume another role by way of this one.";
    EnvFromOpaque: Info, NO,
        "A whole Secret or ConfigMap becomes environment; it might set AWS variables that cannot be seen.",
        "`envFrom` names its keys nowhere in the pod. `env` wins over it, so it cannot replace an injected role, but it \
         can add static credentials.",
        "Nothing, if the Secret or ConfigMap has no keys that begin with `AWS_`.";
    PodIdentityActive: Warning, NO,
        "EKS Pod Identity is active in the pod as well.",
        "The cluster has a pod identity association for the service account: the webhook then ignores the role's \
         annotation, and containers without `AWS_ROLE_ARN` get the association's role.",
        "Keep one of the two: delete the association, or set `spec.mechanism` of the binding to `PodIdentity`.";
    PodIdentityLabelMissing: Info, NO,
        "The pod has the variables of EKS Pod Identity, but not the label that the webhook sets with them.",
        "The template sets the variables itself. The webhook then leaves the container alone.",
        "Nothing, if the cluster has an association for the service account.";
    NodeRoleReachable: Warning, NO,
        "The pod can reach the node's role.",
        "`hostNetwork: true`: a hop limit on the instance metadata service does not keep such pods from it. With the \
         operator's flag `--imds-open-to-pods`, all other pods are reported as well, as Info.",
        "Do without hostNetwork, keep pods from the instance metadata service, or keep the node's role minimal.";
    TokenPathLinked: Info, NO,
        "The token is found where `/var/run` is a link to `/run`.",
        "`AWS_WEB_IDENTITY_TOKEN_FILE` has one of these paths and the mount the other; nearly every image has the link.",
        "Nothing, if the image has the link.";
    TokenMayBeUnreadable: Info, NO,
        "The container's user may not be able to read the token.",
        "The volume's `defaultMode` is not readable for everyone, and neither `fsGroup` nor one `runAsUser` for all \
         containers tells the kubelet whose the file is to be.",
        "Set `securityContext.fsGroup` in the template, or leave `defaultMode` out.";
    RolloutReverted: Warning, YES_BOUNDED,
        "Another manager removed the operator's annotation from the pod template, which restarts the pods once more.",
        "A GitOps tool that owns the template strips keys that are not in Git.",
        "Let it ignore `podidentity.dev/identity`: see the pages on Argo CD and Flux.";
    WorkloadUnmanaged: Info, NO,
        "Pods that run as the service account are verified but never restarted.",
        "They are bare pods, or belong to a Job or another controller that the operator does not restart.",
        "Delete or rerun them when the role changes.";
    WebhookNotFound: Error, NO,
        "Fresh pods were missed again and again: nothing injects in this cluster.",
        "There is no EKS pod identity webhook and no injection policy, or it does not answer, or it does not handle this \
         namespace.",
        "Run `kubectl podidentity explain` on one of the pods: it looks at what is configured. Mend that, or install one of \
         them; on EKS the webhook is part of the control plane.";
}

impl FindingReason {
    /// All reasons: those about pods, and the slips.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        Self::OF_PODS.iter().copied().chain(SlipReason::ALL.iter().copied().map(Self::Slip))
    }

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|reason| reason.as_str() == name)
    }
}

impl fmt::Display for FindingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing found in one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub reason: FindingReason,
    /// The object, as `Kind/name`.
    pub object: String,
    /// The container, where it is about one.
    pub container: Option<String>,
    /// What was seen, what was wanted, what the pod does meanwhile, and what to do.
    pub message: Message,
    /// Whether new pods of the workload's present template would not have it.
    pub restart_cures: bool,
}

/// The reference page of all findings, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(
        "# Findings\n\n\
         <!-- Generated from crates/core/src/finding/mod.rs; the test findings_page says how. -->\n\n\
         What verification finds in pods, and what it means. `IdentityVerified` is True when no live pod has an Error. \
         Findings are in `status.findings`, worst first.\n\n\
         | Reason | Severity | Does a restart cure it? |\n|---|---|---|\n",
    );
    let anchor = |reason: &FindingReason| reason.as_str().to_lowercase();
    for reason in FindingReason::OF_PODS {
        let about = reason.about();
        let _ = writeln!(page, "| [{reason}](#{}) | {:?} | {} |", anchor(reason), about.severity, about.roll);
    }
    for reason in FindingReason::OF_PODS {
        let About { severity, roll, summary, cause, action } = reason.about();
        let _ = write!(
            page,
            "\n## {reason}\n\n{summary}\n\n- Severity: {severity:?}\n- Does a restart cure it: {roll}\n- Cause: \
             {cause}\n- What to do: {action}\n"
        );
    }
    page
}
