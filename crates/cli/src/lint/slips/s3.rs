//! Settings of S3 connectors in manifests of what makes pods, for example in the `hadoopConf` of a
//! SparkApplication or in the arguments of a container.

use podidentity_api::Mechanism;
use podidentity_core::slip::{is_s3_setting, of_s3_settings};

use super::{Run, Slips, finding};
use crate::findings::Finding;
use crate::manifest::Object;
use crate::yaml::{Kind, Node, Position};

/// What files of S3 begin with, for Hadoop.
const SCHEME: &str = "s3a://";

#[derive(Default)]
struct Settings<'a> {
    at: Vec<Position>,
    pairs: Vec<(&'a str, &'a str)>,
    reads_s3a: bool,
}

impl<'a> Slips<'_, 'a> {
    /// Reports settings that keep an S3 connector from using the role of the pods.
    pub(super) fn s3(&self, object: &Object<'a>, runs: &[Run<'_, 'a>], found: &mut Vec<Finding>) {
        let mut of_object = runs.iter().filter(|run| std::ptr::eq(run.object.node, object.node));
        let has_role = of_object.any(|run| {
            let identity = self.accounts.identity(&run.account, self.settings);
            identity.is_some_and(|it| it.expected.identity.mechanism == Mechanism::Irsa)
        });
        if !has_role {
            return;
        }
        let Settings { at, pairs, reads_s3a } = Settings::of(object.node);
        for (index, slip) in of_s3_settings(&pairs, reads_s3a) {
            let at = index.and_then(|index| at.get(index)).map_or(object.node.at, |at| *at);
            found.push(Finding { place: object.place.with(at), ..finding(object, None, &slip) });
        }
    }
}

impl<'a> Settings<'a> {
    fn of(object: &'a Node) -> Self {
        let mut all = Self::default();
        object.walk("", &mut |_, key, value| {
            if ["annotations", "labels", "managedFields"].contains(&key.text().unwrap_or_default()) {
                return false;
            }
            match (key.text(), value.text()) {
                (Some(name), Some(text)) if is_s3_setting(name) => all.add(name, text, key.at),
                (_, Some(text)) => all.of_text(text, key.at),
                _ => value.items().iter().for_each(|item| {
                    if matches!(item.kind, Kind::Scalar { .. }) {
                        all.of_text(item.text().unwrap_or_default(), item.at);
                    }
                }),
            }
            true
        });
        all
    }

    fn add(&mut self, key: &'a str, value: &'a str, at: Position) {
        self.pairs.push((key, value));
        self.at.push(at);
    }

    /// The settings in a text: arguments such as `--conf KEY=VALUE` and `-DKEY=VALUE`, one or many.
    fn of_text(&mut self, text: &'a str, at: Position) {
        self.reads_s3a |= text.contains(SCHEME);
        for word in text.split_whitespace() {
            let word = ["-D", "--conf="].iter().find_map(|option| word.strip_prefix(option)).unwrap_or(word);
            let Some((key, value)) = word.split_once('=') else { continue };
            if is_s3_setting(key) {
                self.add(key, value, at);
            }
        }
    }
}
