//! Settings of S3 connectors in manifests of what makes pods: in the maps of a SparkApplication, in
//! variables and arguments of containers, and in the ConfigMaps that the pods mount.

use podidentity_api::Mechanism;
use podidentity_core::slip::{S3Setting, SparkMap, is_s3_setting, of_s3_settings};

use super::{Run, Slips, finding};
use crate::accounts::key;
use crate::findings::Finding;
use crate::manifest::Object;
use crate::read::Place;
use crate::yaml::{Kind, Node};

/// What the addresses of files begin with that S3A reads.
const SCHEME: &str = "s3a://";
/// API groups of workloads that read such addresses by S3A. Other programs have connectors of their
/// own for them.
const READS_BY_S3A: [&str; 3] = ["sparkoperator.k8s.io", "spark.apache.org", "flink.apache.org"];
/// Fields of a SparkApplication that name a ConfigMap with settings.
const CONFIG_MAPS: [&str; 2] = ["sparkConfigMap", "hadoopConfigMap"];

#[derive(Default)]
struct Settings {
    found: Vec<(String, String, Option<SparkMap>)>,
    places: Vec<Place>,
    uses_s3a: bool,
    /// Whether all settings are among the files.
    is_complete: bool,
}

impl<'a> Slips<'_, 'a> {
    /// Reports settings that keep an S3 connector from using the role of the pods.
    /// `runs`: those of one object.
    pub(super) fn s3(&self, runs: &[Run<'_, 'a>], found: &mut Vec<Finding>) {
        let has_role = |run: &&Run<'_, 'a>| {
            let identity = self.accounts.identity(&run.account, self.settings);
            identity.is_some_and(|it| it.expected.identity.mechanism == Mechanism::Irsa)
        };
        let Some(Run { object, .. }) = runs.iter().find(has_role) else { return };
        let all = self.settings_of(object);
        let pairs: Vec<_> = all.found.iter().map(|(key, value, map)| S3Setting { key, value, map: *map }).collect();
        for (index, slip) in of_s3_settings(&pairs, all.uses_s3a && all.is_complete) {
            // Without an index the slip is about what is not there, which has to be certain.
            if index.is_some() || all.is_complete {
                let place = index.and_then(|index| all.places.get(index)).unwrap_or(&object.place).clone();
                found.push(Finding { place, ..finding(object, None, &slip) });
            }
        }
    }

    fn settings_of(&self, object: &Object<'a>) -> Settings {
        let mut all = Settings { is_complete: true, ..Settings::default() };
        all.read(object);
        for name in config_maps(object) {
            let own = key(object, &name, self.namespace);
            let is_it = |it: &&Object<'_>| {
                it.group.is_empty() && it.kind == "ConfigMap" && key(it, it.name, self.namespace) == own
            };
            match self.objects.iter().rfind(is_it).and_then(|it| Some((it, it.node.get("data")?))) {
                None => all.is_complete = false,
                Some((config, data)) => all.read_files(config, data),
            }
        }
        all
    }
}

/// The names of the ConfigMaps that the pods of the object mount or that Spark's operator reads.
fn config_maps(object: &Object<'_>) -> Vec<String> {
    let mut names = Vec::new();
    object.node.walk("", &mut |path, key, value| {
        let field = key.text().unwrap_or_default();
        let name = match field {
            "name" if path.ends_with(".configMap") => value.text(),
            _ if CONFIG_MAPS.contains(&field) => value.text(),
            _ => None,
        };
        names.extend(name.map(str::to_owned));
        true
    });
    names
}

impl Settings {
    fn add(&mut self, (key, value): (&str, &str), map: Option<SparkMap>, place: Place) {
        self.found.push((key.to_owned(), value.to_owned(), map));
        self.places.push(place);
    }

    /// Reads the settings of the object itself.
    fn read(&mut self, object: &Object<'_>) {
        let reads_by_s3a = READS_BY_S3A.contains(&object.group);
        object.node.walk("", &mut |path, key, value| {
            if ["annotations", "labels", "managedFields"].contains(&key.text().unwrap_or_default()) {
                return false;
            }
            let map = match path.rsplit('.').next() {
                Some("sparkConf") => Some(SparkMap::SparkConf),
                Some("hadoopConf") => Some(SparkMap::HadoopConf),
                _ => None,
            };
            let texts = value.text().map(|text| (text, key)).into_iter();
            for (text, at) in texts.chain(scalars(value)) {
                self.uses_s3a |= text.contains(SCHEME) && (reads_by_s3a || text.contains("spark."));
                let place = object.place.with(at.at);
                match key.text().filter(|name| is_s3_setting(name)) {
                    Some(name) => self.add((name, text), map, place),
                    None => words(text).for_each(|pair| self.add(pair, None, place.clone())),
                }
            }
            true
        });
    }

    /// Reads the files in the data of a ConfigMap.
    fn read_files(&mut self, config: &Object<'_>, data: &Node) {
        let Kind::Mapping(files) = &data.kind else { return };
        for (name, file) in files {
            let Some(text) = file.text() else { continue };
            let pairs = if text.contains("<property>") { of_xml(text) } else { of_lines(text) };
            for pair in pairs.into_iter().filter(|(key, _)| is_s3_setting(key)) {
                self.add(pair, None, config.place.with(name.at));
            }
        }
    }
}

/// The texts of a sequence, each with its node.
fn scalars(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    node.items().iter().filter_map(|item| Some((item.text()?, item)))
}

/// The settings in a text of options: `--conf KEY=VALUE` and `-DKEY=VALUE`, one or many.
fn words(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = text.split_whitespace().filter_map(|word| {
        let word = ["-D", "--conf="].iter().find_map(|option| word.strip_prefix(option)).unwrap_or(word);
        word.split_once('=')
    });
    pairs.filter(|(key, _)| is_s3_setting(key))
}

/// Keys and values of `spark-defaults.conf`, `flink-conf.yaml` and properties files.
fn of_lines(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| {
        let (key, value) = line.split_at(line.find([' ', '\t', '=', ':'])?);
        Some((key, value.trim_start_matches([' ', '\t', '=', ':']).trim_matches(['"', '\''])))
    });
    pairs.collect()
}

/// Names and values of Hadoop's configuration files.
fn of_xml(text: &str) -> Vec<(&str, &str)> {
    fn inside<'t>(text: &'t str, tag: &str) -> Option<&'t str> {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inside, _)| inside.trim())
    }
    text.split("<property>").skip(1).filter_map(|it| Some((inside(it, "name")?, inside(it, "value")?))).collect()
}
