//! Flags of the commands that read manifests.

use clap::{ArgAction, Args};

#[derive(Debug, Args)]
pub(crate) struct InputArgs {
    /// A file or folder of manifests, YAML or JSON; - is standard input. Can be repeated. Folders
    /// are read recursively
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR|-", required = true, action = ArgAction::Append)]
    pub(crate) files: Vec<String>,

    /// The namespace of objects that name none
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}
