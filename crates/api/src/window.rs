//! Restart windows: when restarts may begin.

// The macro that makes the schema declares all fields once more, and reads only those that are on the wire.
#![allow(dead_code)]

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::crd::{TIME_OF_DAY_RULE, TIME_ZONE_RULE, WINDOW_LENGTH_RULE};

/// A part of the day in which restarts may begin. Its start and its end are read off the clock of its time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct RestartWindow {
    /// Days on which the window begins. Default: every day.
    #[schemars(length(max = 7))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,

    /// Time of day at which the window begins, from `00:00` to `23:59`.
    #[x_kube(validation = TIME_OF_DAY_RULE)]
    #[schemars(length(max = 16))]
    pub start: String,

    /// How long the window lasts, for example `4h`, `90m` or `1h30m`: from one minute to `24h`. It may reach into the next
    /// day.
    #[x_kube(validation = WINDOW_LENGTH_RULE)]
    #[schemars(length(max = 16))]
    pub length: String,

    /// Name of the time zone in the IANA database, for example `Europe/Berlin` or `UTC`.
    #[x_kube(validation = TIME_ZONE_RULE)]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}
