use super::*;

fn window(days: &[Weekday], start: &str, length: &str, zone: &str) -> RestartWindow {
    RestartWindow { days: days.to_vec(), start: start.into(), length: length.into(), time_zone: zone.into() }
}

fn gate_at(windows: &[RestartWindow], now: &str) -> Gate {
    let rollout = Rollout { windows: windows.to_vec(), ..Rollout::default() };
    assert_eq!(invalid(&rollout), None);
    Pace::of(&rollout, now.parse().unwrap()).gate
}

/// `open until ...` or `opens ...`.
fn told(windows: &[RestartWindow], now: &str) -> String {
    match gate_at(windows, now) {
        Gate::Always => "always".to_owned(),
        Gate::Open { until } => format!("open until {until}"),
        Gate::Closed(opening) => format!("opens {opening}"),
    }
}

fn all(windows: &[RestartWindow], expected: &[(&str, &str)]) {
    for (now, expected) in expected {
        assert_eq!(told(windows, now), *expected, "{now}");
    }
}

#[test]
fn without_windows_restarts_may_begin_at_any_time() {
    assert_eq!(gate_at(&[], "2026-01-01T00:00:00Z"), Gate::Always);
}

#[test]
fn a_window_reaches_into_the_next_day_and_belongs_to_the_day_on_which_it_begins() {
    all(
        &[window(&[Weekday::Fri, Weekday::Sat], "22:00", "8h", "Europe/Berlin")],
        &[
            ("2026-01-16T20:59:59.999Z", "opens Friday 2026-01-16 at 22:00 Europe/Berlin (2026-01-16T21:00:00Z)"),
            ("2026-01-16T21:00:00Z", "open until 2026-01-17T05:00:00Z"),
            ("2026-01-17T04:59:59.999Z", "open until 2026-01-17T05:00:00Z"),
            ("2026-01-17T05:00:00Z", "opens Saturday 2026-01-17 at 22:00 Europe/Berlin (2026-01-17T21:00:00Z)"),
            ("2026-01-18T02:00:00Z", "open until 2026-01-18T05:00:00Z"),
            ("2026-01-18T05:00:00Z", "opens Friday 2026-01-23 at 22:00 Europe/Berlin (2026-01-23T21:00:00Z)"),
        ],
    );
}

#[test]
fn windows_that_touch_are_one_and_the_one_that_opens_first_counts() {
    let windows = [
        window(&[], "12:00", "1h", "UTC"),
        window(&[], "02:00", "2h", "Asia/Tokyo"),
        window(&[], "12:30", "90m", "UTC"),
        window(&[], "14:00", "5m", "UTC"),
    ];
    all(
        &windows,
        &[
            ("2026-01-16T12:00:00Z", "open until 2026-01-16T14:05:00Z"),
            ("2026-01-16T14:05:00Z", "opens Saturday 2026-01-17 at 02:00 Asia/Tokyo (2026-01-16T17:00:00Z)"),
        ],
    );
}

#[test]
fn a_window_of_a_whole_day_never_closes() {
    let always = [window(&[], "03:00", "24h", "America/New_York")];
    for now in ["2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"] {
        let Gate::Open { until } = gate_at(&always, now) else { panic!("{now}") };
        assert!(until > now.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * 14), "{now}: {until}");
    }
}

/// The clock goes from 02:00 to 03:00 on 2026-03-29 in Berlin, at 01:00 UTC.
#[test]
fn an_hour_that_the_clock_skips_does_not_come() {
    all(
        &[window(&[], "02:30", "1h", "Europe/Berlin")],
        &[
            ("2026-03-28T01:29:59Z", "opens Saturday 2026-03-28 at 02:30 Europe/Berlin (2026-03-28T01:30:00Z)"),
            ("2026-03-28T02:30:00Z", "opens Sunday 2026-03-29 at 03:00 Europe/Berlin (2026-03-29T01:00:00Z)"),
            ("2026-03-29T01:00:00Z", "open until 2026-03-29T01:30:00Z"),
            ("2026-03-29T01:30:00Z", "opens Monday 2026-03-30 at 02:30 Europe/Berlin (2026-03-30T00:30:00Z)"),
        ],
    );
    let ends_in_it = [window(&[], "01:00", "90m", "Europe/Berlin")];
    all(&ends_in_it, &[("2026-03-29T00:30:00Z", "open until 2026-03-29T01:00:00Z")]);
    let around_it = [window(&[], "00:00", "6h", "Europe/Berlin")];
    all(&around_it, &[("2026-03-29T00:30:00Z", "open until 2026-03-29T04:00:00Z")]);
    let skipped = [window(&[Weekday::Sun], "02:00", "1h", "Europe/Berlin")];
    all(&skipped, &[("2026-03-22T02:00:00Z", "opens Sunday 2026-04-05 at 02:00 Europe/Berlin (2026-04-05T00:00:00Z)")]);
}

/// The clock goes from 03:00 back to 02:00 on 2026-10-25 in Berlin, at 01:00 UTC.
#[test]
fn of_an_hour_that_comes_twice_the_first_counts() {
    all(
        &[window(&[], "02:00", "30m", "Europe/Berlin")],
        &[
            ("2026-10-24T23:59:59Z", "opens Sunday 2026-10-25 at 02:00 Europe/Berlin (2026-10-25T00:00:00Z)"),
            ("2026-10-25T00:00:00Z", "open until 2026-10-25T00:30:00Z"),
            ("2026-10-25T01:00:00Z", "opens Monday 2026-10-26 at 02:00 Europe/Berlin (2026-10-26T01:00:00Z)"),
        ],
    );
    let begins_in_it = [window(&[], "02:30", "1h", "Europe/Berlin")];
    all(&begins_in_it, &[("2026-10-25T00:30:00Z", "open until 2026-10-25T02:30:00Z")]);
    let around_it = [window(&[], "00:00", "6h", "Europe/Berlin")];
    all(&around_it, &[("2026-10-24T22:00:00Z", "open until 2026-10-25T05:00:00Z")]);
}

/// Half an hour on Lord Howe Island, a quarter of an hour's offset in Nepal, and a whole day that
/// Samoa skipped.
#[test]
fn odd_zones_have_windows_as_well() {
    let lord_howe = [window(&[], "02:00", "1h", "Australia/Lord_Howe")];
    all(&lord_howe, &[("2026-10-03T15:30:00Z", "open until 2026-10-03T16:00:00Z")]);
    let nepal = [window(&[], "00:00", "1h", "Asia/Kathmandu")];
    all(&nepal, &[("2026-01-01T00:00:00Z", "opens Friday 2026-01-02 at 00:00 Asia/Kathmandu (2026-01-01T18:15:00Z)")]);
    let samoa = [window(&[Weekday::Fri], "10:00", "1h", "Pacific/Apia")];
    all(&samoa, &[("2011-12-29T00:00:00Z", "opens Friday 2012-01-06 at 10:00 Pacific/Apia (2012-01-05T20:00:00Z)")]);
}

/// The first problem of a rollout, which holds nothing back.
fn problem_of(windows: Vec<RestartWindow>, interval: Option<&str>) -> String {
    let rollout = Rollout { windows, interval: interval.map(str::to_owned), ..Rollout::default() };
    let pace = Pace::of(&rollout, "2026-01-16T12:00:00Z".parse().unwrap());
    assert!(pace.interval.is_none() && (interval.is_some() || pace.gate == Gate::Always), "{pace:?}");
    invalid(&rollout).unwrap().to_string()
}

#[test]
fn a_window_that_cannot_be_is_named() {
    for (start, length, zone, expected) in [
        ("9:00", "4h", "UTC", "start: is \"9:00\", must be a time of day from 00:00 to 23:59"),
        ("24:00", "4h", "UTC", "start: is \"24:00\""),
        ("+1:00", "4h", "UTC", "start: is \"+1:00\""),
        ("22:00", "25h", "UTC", "length: is \"25h\", must be a duration of at least 1m and at most 24h"),
        ("22:00", "59s", "UTC", "length: is"),
        ("22:00", "4 hours", "UTC", "length: is"),
        ("22:00", "-4h", "UTC", "length: is"),
        ("22:00", "4", "UTC", "length: is"),
        ("22:00", "", "UTC", "length: is"),
        (
            "22:00",
            "4h",
            "Europe/Berln",
            "timeZone: \"Europe/Berln\" is no time zone of the IANA database; did you mean Europe/Berlin?",
        ),
        (
            "22:00",
            "4h",
            "europe/berlin",
            "timeZone: \"europe/berlin\" is no time zone of the IANA database; did you mean Europe/Berlin?",
        ),
        (
            "22:00",
            "4h",
            "Berlin",
            "timeZone: \"Berlin\" is no time zone of the IANA database; did you mean Europe/Berlin?",
        ),
        ("22:00", "4h", "?!", "timeZone: \"?!\" is no time zone of the IANA database; write a name such as"),
    ] {
        let windows = vec![window(&[], "22:00", "4h", "UTC"), window(&[], start, length, zone)];
        let found = problem_of(windows, None);
        assert!(found.starts_with(&format!("spec.rollout.windows[1].{expected}")), "{found}");
    }
}

#[test]
fn too_many_windows_and_an_interval_that_cannot_be_are_named() {
    let many = problem_of(vec![window(&[], "22:00", "4h", "UTC"); 17], None);
    assert_eq!(many, "spec.rollout.windows: has 17 windows, must have at most 16");
    for interval in ["0s", "2d", "24h1s", "", "10"] {
        let found = problem_of(Vec::new(), Some(interval));
        let expected =
            format!("spec.rollout.interval: is {interval:?}, must be a duration of at least 1s and at most 24h");
        assert!(found.starts_with(&expected), "{found}");
    }
}

#[test]
fn durations_are_those_of_go() {
    for (text, seconds) in
        [("1m", 60), ("90m", 5400), ("1h30m", 5400), ("86400s", 86_400), ("24h", 86_400), ("60s", 60)]
    {
        assert_eq!(duration(text, SHORTEST_WINDOW), Some(SignedDuration::from_secs(seconds)), "{text}");
    }
}

#[test]
fn every_zone_of_the_database_has_windows() {
    let database = jiff::tz::TimeZoneDatabase::bundled();
    let mut zones = 0;
    for name in database.available() {
        let gate = gate_at(&[window(&[Weekday::Sun], "02:00", "1h", name.as_str())], "2026-03-22T12:00:00Z");
        assert!(matches!(gate, Gate::Open { .. } | Gate::Closed(_)), "{name}: {gate:?}");
        zones += 1;
    }
    assert!(zones > 500, "{zones}");
}
