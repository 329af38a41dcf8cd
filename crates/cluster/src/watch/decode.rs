//! Decoding. An object that cannot be decoded does not fail its list or watch.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// An object, or the metadata of an object that cannot be decoded.
///
/// Like `kube::core::DeserializeGuard`, but it decodes the text of the object without building a
/// tree first. It therefore reads only JSON text, and it reads a watch event only if the event's
/// type precedes the object, as every API server writes it.
#[derive(Clone, Debug)]
pub struct Decoded<K>(pub Result<K, Box<Undecodable>>);

/// An object that cannot be decoded.
#[derive(Clone, Debug)]
pub struct Undecodable {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Why it cannot be decoded.
    pub error: String,
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Decoded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let error = match serde_json::from_str(text) {
            Ok(object) => return Ok(Self(Ok(object))),
            Err(error) => error.to_string(),
        };
        let named: PartialObjectMeta<K> = serde_json::from_str(text).map_err(D::Error::custom)?;
        Ok(Self(Err(Box::new(Undecodable { metadata: named.metadata, error }))))
    }
}

impl<K: Resource> Resource for Decoded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &Self::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &Self::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|undecodable| &undecodable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|undecodable| &mut undecodable.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use kube::core::{ObjectList, WatchEvent};
    use podidentity_core::objects::{Deployment, ObservedAccount};

    use super::*;

    #[test]
    fn a_list_has_all_that_can_be_decoded_and_the_names_of_the_others() {
        let text = r#"{"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "7"}, "items": [
            {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}, "spec": {"replicas": "many"}}, {"metadata": {"name": "c"}}]}"#;
        let list: ObjectList<Decoded<Deployment>> = serde_json::from_str(text).unwrap();
        let names: Vec<_> = list.items.iter().map(|item| item.meta().name.as_deref().unwrap()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(list.items.iter().map(|item| item.0.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        let error = &list.items[1].0.as_ref().unwrap_err().error;
        assert!(error.contains("many"), "{error}");
    }

    #[test]
    fn an_event_of_a_watch_is_read_in_the_order_in_which_api_servers_write_it() {
        let text = r#"{"type": "MODIFIED", "object": {"metadata": {"name": "a", "resourceVersion": "7"}}}"#;
        let event: WatchEvent<Decoded<ObservedAccount>> = serde_json::from_str(text).unwrap();
        let WatchEvent::Modified(object) = event else { panic!("{event:?}") };
        assert_eq!(object.meta().resource_version.as_deref(), Some("7"));
    }

    #[test]
    fn what_is_no_object_at_all_is_an_error() {
        assert!(serde_json::from_str::<Decoded<ObservedAccount>>("7").is_err());
    }
}
