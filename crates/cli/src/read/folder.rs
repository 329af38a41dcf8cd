//! The manifests of a folder.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// The manifests below the folder, sorted by name. Leaves out hidden files and folders. Leaves out
/// the templates of Helm charts, which are not YAML before they are rendered. Leaves out links that
/// lead out of the folder: the author of a folder must not choose which of the user's other files
/// are read.
pub(super) fn manifests(folder: &Path, notes: &mut Vec<String>) -> Vec<walkdir::Result<PathBuf>> {
    let mut found = Vec::new();
    let root = folder.canonicalize().ok();
    let mut entries = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Err(error) => found.push(Err(error)),
            Ok(entry)
                if entry.depth() > 0 && (is_left_out(&entry, notes) || is_outside(&entry, root.as_deref(), notes)) =>
            {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
            }
            Ok(entry) if entry.file_type().is_file() && is_manifest(entry.path()) => found.push(Ok(entry.into_path())),
            Ok(_) => {}
        }
    }
    found
}

fn is_left_out(entry: &DirEntry, notes: &mut Vec<String>) -> bool {
    if entry.file_name().to_string_lossy().starts_with('.') {
        return true;
    }
    let in_chart = entry.file_type().is_dir()
        && entry.file_name() == "templates"
        && entry.path().parent().is_some_and(|parent| parent.join("Chart.yaml").is_file());
    if in_chart {
        let path = super::shown(entry.path());
        notes.push(format!("{path}: left out, it holds the templates of a Helm chart: render it with `helm template`"));
    }
    in_chart
}

/// Whether a link leads out of the folder.
fn is_outside(entry: &DirEntry, root: Option<&Path>, notes: &mut Vec<String>) -> bool {
    if !entry.path_is_symlink() {
        return false;
    }
    let target = entry.path().canonicalize().ok();
    let inside = target.zip(root).is_some_and(|(target, root)| target.starts_with(root));
    if !inside {
        notes.push(format!("{}: left out, it is a link that leads out of the folder", super::shown(entry.path())));
    }
    !inside
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}
