//! Applies an injection to a pod spec: to the judged fields only, or to the whole document.

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{ContainerInjection, Injection};
use crate::objects::{Container, PodSpec};

/// A document is not the pod spec that the injection was made for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field} is not {expected}")]
pub struct ShapeError {
    field: &'static str,
    expected: &'static str,
}

impl Injection {
    /// Adds the injection to the spec that it was made for.
    pub fn apply(&self, spec: &mut PodSpec) {
        let containers = spec.init_containers.iter_mut().zip(&self.init_containers);
        for (container, added) in containers.chain(spec.containers.iter_mut().zip(&self.containers)) {
            added.apply(container);
        }
        if let Some(volume) = &self.volume {
            spec.volumes.insert(0, volume.clone());
        }
    }

    /// Adds the injection to the spec that it was made for, given as a document. Fields that are
    /// not modelled keep their values. After an error, the document may contain part of the
    /// injection.
    pub fn apply_to_value(&self, spec: &mut Value) -> Result<(), ShapeError> {
        if self.is_empty() {
            return Ok(());
        }
        let spec = spec.as_object_mut().ok_or(ShapeError { field: "spec", expected: "an object" })?;
        for (field, added) in [("initContainers", &self.init_containers), ("containers", &self.containers)] {
            let filled = added.iter().enumerate().filter(|(_, added)| !added.is_empty());
            for (index, added) in filled {
                let container = list(spec, field)?.get_mut(index).and_then(Value::as_object_mut);
                let expected = "the list of containers that the injection was made for";
                added.apply_to_object(container.ok_or(ShapeError { field, expected })?)?;
            }
        }
        if let Some(volume) = &self.volume {
            list(spec, "volumes")?.insert(0, document(volume));
        }
        Ok(())
    }
}

impl ContainerInjection {
    fn apply(&self, container: &mut Container) {
        container.env.extend(self.env.iter().cloned());
        container.volume_mounts.extend(self.mount.clone());
    }

    fn apply_to_object(&self, container: &mut Map<String, Value>) -> Result<(), ShapeError> {
        if !self.env.is_empty() {
            list(container, "env")?.extend(self.env.iter().map(document));
        }
        if let Some(mount) = &self.mount {
            list(container, "volumeMounts")?.push(document(mount));
        }
        Ok(())
    }
}

/// The list in the field; an absent or null field becomes an empty list.
fn list<'a>(object: &'a mut Map<String, Value>, field: &'static str) -> Result<&'a mut Vec<Value>, ShapeError> {
    let value = object.entry(field).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().ok_or(ShapeError { field, expected: "a list" })
}

/// The JSON form, which plain structs with text keys always have.
fn document(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}
