//! The runs that are not plans: the malformed world, the hostile tenant, the overload, and planted
//! bugs.

use anyhow::Result;
use e2e::faults::{hostile, malformed, overload};

/// Runs the world of odd objects, and prints what is reported about each.
pub(crate) async fn malformed() -> Result<bool> {
    let judged = malformed::run().await?;
    let mut silent = 0;
    for said in &judged.said {
        let shorten = |text: &str| text.escape_debug().to_string().chars().take(220).collect::<String>();
        let answer = said.answer.as_deref().map_or_else(|| "NOTHING WAS SAID".to_owned(), shorten);
        silent += usize::from(said.answer.is_none());
        println!("{}\n    {answer}", shorten(&said.what));
    }
    for stuck in &judged.stuck {
        println!("{stuck} cannot be deleted");
    }
    println!(
        "malformed world: {} odd objects, {silent} without an answer, {} stuck in deletion; {} healthy bindings served",
        judged.said.len(),
        judged.stuck.len(),
        judged.healthy
    );
    if let Some(peak) = judged.memory {
        println!("memory at most: {peak}");
    }
    Ok(silent == 0 && judged.stuck.is_empty())
}

/// Runs a hostile tenant next to a hundred bindings, and prints how those were served.
pub(crate) async fn hostile() -> Result<bool> {
    let measured = hostile::run().await?;
    let (first, last_first) = hostile::median_and_longest(&measured.first_status);
    let (ready, last_ready) = hostile::median_and_longest(&measured.ready);
    println!(
        "hostile tenant: {} bindings of others served: first status after {first:.1?} (longest {last_first:.1?}), ready after \
         {ready:.1?} (longest {last_ready:.1?}); {} changes of its role came to {} restarts",
        measured.ready.len(),
        measured.role_changes,
        measured.restarts
    );
    if let Some(peak) = measured.memory {
        println!("memory at most: {peak}");
    }
    Ok(true)
}

/// Creates very many bindings at once, and prints the measurements.
pub(crate) async fn overload(bindings: usize) -> Result<bool> {
    println!("{:#?}", overload::run(bindings).await?);
    Ok(true)
}

/// Plants each bug in turn.
#[cfg(feature = "planted-bugs")]
pub(crate) async fn planted() -> Result<bool> {
    use e2e::faults::{campaign::Campaign, planted};
    let campaign = Campaign::start().await?;
    let mut missed = 0;
    for (bug, plan, expected) in planted::plans() {
        // The same plan passes without the bug, so a failure comes from the bug.
        let (sound, _) = campaign.run(&plan).await;
        planted::plant(Some(bug));
        let (verdict, _) = campaign.run(&plan).await;
        planted::plant(None);
        let noticed = verdict.problems.iter().any(|problem| problem.contains(expected));
        // A lost event is a fault by itself, so the plan does not pass without the bug either.
        let sound = sound.problems.is_empty() || bug == planted::Bug::EventLost;
        println!("{bug:?}: {}", if noticed && sound { "noticed" } else { "MISSED" });
        for problem in verdict.problems.iter().take(3) {
            println!("    {}", problem.lines().next().unwrap_or_default());
        }
        missed += usize::from(!noticed || !sound);
    }
    Ok(missed == 0)
}
