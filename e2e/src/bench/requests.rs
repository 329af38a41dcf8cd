//! Requests of the operator, or of the raw client in its name, from the API server's audit log.

use std::collections::HashMap;

use anyhow::Result;
use jiff::Timestamp;

use super::objects::Identity;
use super::results::Requests;
use super::world::World;
use crate::audit::Request;
use crate::operator::USER;

/// A place in the audit log.
pub struct Log {
    place: u64,
}

impl Log {
    /// The current end of the log.
    pub fn now(world: &World) -> Result<Self> {
        let (_, place) = world.control_plane.audit_from(0)?;
        Ok(Self { place })
    }

    /// The operator's requests since the last call.
    pub fn read(&mut self, world: &World) -> Result<Vec<Request>> {
        self.of(world, USER)
    }

    /// A user's requests since the last call.
    pub fn of(&mut self, world: &World, user: &str) -> Result<Vec<Request>> {
        let (mut requests, place) = world.control_plane.audit_from(self.place)?;
        self.place = place;
        requests.retain(|request| request.user.username == user);
        Ok(requests)
    }
}

/// Whether the request succeeded.
pub fn succeeded(request: &Request) -> bool {
    request.response_status.as_ref().is_some_and(|status| status.code < 300)
}

/// Whether the request is about leader election, which continues whatever else happens.
pub fn is_lease(request: &Request) -> bool {
    request.object_ref.as_ref().is_some_and(|object| object.resource == "leases")
}

/// `serviceaccounts`, `podidentitybindings/status`, ...
pub fn resource(request: &Request) -> String {
    let Some(object) = &request.object_ref else { return request.uri.clone() };
    let slash = if object.subresource.is_empty() { "" } else { "/" };
    format!("{}{slash}{}", object.resource, object.subresource)
}

/// Counts requests by kind.
pub fn counted(requests: &[Request]) -> Requests {
    let mut counted = Requests::default();
    for request in requests {
        let resource = resource(request);
        match request.verb.as_str() {
            _ if is_lease(request) => counted.leases += 1,
            "list" => counted.lists += 1,
            "get" => counted.gets += 1,
            "watch" => counted.watches += 1,
            _ if !succeeded(request) => counted.refused += 1,
            _ if resource == "events" => counted.events += 1,
            _ => *counted.writes.entry(resource).or_default() += 1,
        }
    }
    counted
}

/// When the last write to each identity's objects of this resource was answered.
pub fn last_writes(requests: &[Request], wanted: &str) -> HashMap<Identity, Timestamp> {
    let mut last = HashMap::new();
    for request in requests.iter().filter(|request| request.is_write() && succeeded(request)) {
        let Some(object) = request.object_ref.as_ref().filter(|_| resource(request) == wanted) else { continue };
        // A Deployment has the name of its identity with a number appended.
        let name =
            if wanted == "deployments" { object.name.rsplit_once('-').map_or("", |it| it.0) } else { &object.name };
        let identity = Identity { namespace: object.namespace.clone(), name: name.to_owned() };
        let at = last.entry(identity).or_insert(request.stage_timestamp);
        *at = (*at).max(request.stage_timestamp);
    }
    last
}
