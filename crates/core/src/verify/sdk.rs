//! The order in which SDKs look for credentials, as far as SDKs differ.
//!
//! Sources: the default chains in the SDKs' own code, and "Standardized credential providers" in the AWS SDKs and Tools
//! Reference Guide.
//!
//! | SDK | keys | a profile of a file | the role |
//! |---|---|---|---|
//! | C++, Rust | 1 | 2 | 3 |
//! | JavaScript 3 | 1, not with `AWS_PROFILE` | 2 | 3 |
//! | Python | 1 | 2 if it assumes a role, 4 if it has keys | 3 |
//! | Go, Java 2, PHP, Ruby, .NET 4 | 1 | 3 | 2 |
//! | .NET 3 | 3 | 2 | 1 |

/// The SDKs that take the role before static keys.
pub(super) const ROLE_BEFORE_KEYS: &str = "only that for .NET before version 4 takes the role first";
/// The SDKs that take a profile of a file before the role.
pub(super) const PROFILE_BEFORE_ROLE: &str = "those for C++, JavaScript and Rust do, and that for Python if the profile assumes a role; those for Go, \
     Java, PHP, Ruby and .NET take the role first";
/// The SDKs that read older names of static keys.
pub(super) const OLD_KEYS_READ: &str = "the SDKs for Go, and version 1 of that for Java,";
/// The SDKs that need a region.
pub(super) const NEED_REGION: &str = "those for Go and Java fail with a missing region, others call sts..amazonaws.com";
