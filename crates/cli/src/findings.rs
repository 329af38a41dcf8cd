//! The findings to report: core's findings about pods, and findings about the manifests themselves.

use std::fmt;

use podidentity_core::finding::{FindingReason, Severity};

use crate::read::Place;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) reason: Reason,
    /// For example `Deployment/web`.
    pub(crate) object: String,
    pub(crate) namespace: Option<String>,
    pub(crate) container: Option<String>,
    pub(crate) message: String,
    pub(crate) place: Place,
}

impl Finding {
    /// The sort key of reports: position in the files, then worst first.
    pub(crate) fn order(&self) -> impl Ord + '_ {
        (&self.place, self.severity, self.reason.as_str(), &self.object, self.container.as_deref(), &self.message)
    }
}

/// The reason of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A finding about a predicted pod, or a slip.
    Pod(FindingReason),
    /// A finding about a manifest.
    Manifest(ManifestReason),
}

impl Reason {
    /// All reasons.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        FindingReason::all().map(Self::Pod).chain(ManifestReason::ALL.iter().copied().map(Self::Manifest))
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pod(reason) => reason.as_str(),
            Self::Manifest(reason) => reason.as_str(),
        }
    }

    /// A description in one line.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Pod(reason) => reason.about().summary,
            Self::Manifest(reason) => reason.summary(),
        }
    }

    /// What to do about the finding, independent of the individual case.
    pub(crate) fn action(self) -> &'static str {
        match self {
            Self::Pod(reason) => reason.about().action,
            Self::Manifest(reason) => reason.summary(),
        }
    }

    /// The default severity.
    pub(crate) fn severity(self) -> Severity {
        match self {
            Self::Pod(reason) => reason.about().severity,
            Self::Manifest(reason) => reason.severity(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! manifest_reasons {
    ($($name:ident: $severity:ident, $summary:literal;)+) => {
        /// What may be wrong with the manifest of a binding or a service account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ManifestReason {
            $(#[doc = $summary] $name,)+
        }

        impl ManifestReason {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            fn summary(self) -> &'static str {
                match self { $(Self::$name => $summary),+ }
            }

            pub(crate) fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }
        }
    };
}

// If the operator reports the same problem, it uses the same reason in the binding's status.
manifest_reasons! {
    InvalidSpec: Error, "The binding breaks a rule of its schema, or names a time zone that does not exist: the API server or the operator will refuse it.";
    ServiceAccountClaimed: Error, "Several bindings name one service account: only one of them is acted on.";
    RoleNotAllowed: Error, "The namespace is among the files and does not grant the role.";
    AnnotationConflict: Error, "The service account's manifest sets an annotation to another value than its binding.";
    Suspended: Info, "The binding is suspended: nothing is annotated or restarted until it is resumed.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_users_lists_every_reason_about_manifests() {
        let page = include_str!("../../../docs/cli.md");
        for reason in ManifestReason::ALL {
            let row = format!("| `{}` | {:?} | {} |\n", reason.as_str(), reason.severity(), reason.summary());
            assert!(page.contains(&row), "docs/cli.md lacks {row}");
        }
    }
}
