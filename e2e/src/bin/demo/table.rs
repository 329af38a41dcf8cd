//! `kubectl get pib`, one line per change.

use std::pin::pin;

use anyhow::Result;
use e2e::{ControlPlane, Namespace, expect};
use futures::{StreamExt, future};
use kube::runtime::{WatchStreamExt, watcher};
use podidentity_api::PodIdentityBinding;

use crate::screen::Screen;

/// Columns `NAME` to `VERIFIED`; the age does not matter here.
const WIDTHS: [usize; 6] = [8, 7, 18, 20, 8, 9];

/// Shows the binding's line whenever it changes, until it is ready.
pub(crate) async fn until_ready(
    screen: &Screen,
    control_plane: &ControlPlane,
    namespace: &Namespace,
    name: &str,
) -> Result<()> {
    screen.command("kubectl get pib   # at every change");
    let mut last = Vec::new();
    let ready = {
        let lines = pin!(follow(screen, control_plane, namespace, &mut last));
        let ready = pin!(expect::ready(namespace, name));
        match future::select(ready, lines).await {
            future::Either::Left((ready, _)) => ready.map(|_| ()),
            future::Either::Right((ended, ready)) => {
                ended?;
                ready.await.map(|_| ())
            }
        }
    };
    // The wait may have ended before the last change was shown. On failure, that line is the
    // interesting one.
    line(screen, control_plane, &mut last).await?;
    ready
}

async fn follow(
    screen: &Screen,
    control_plane: &ControlPlane,
    namespace: &Namespace,
    last: &mut Vec<String>,
) -> Result<()> {
    let changes = watcher(namespace.api::<PodIdentityBinding>(), watcher::Config::default()).default_backoff();
    let mut changes = pin!(changes.touched_objects());
    while let Some(change) = changes.next().await {
        if change.is_ok() {
            line(screen, control_plane, last).await?;
        }
    }
    Ok(())
}

async fn line(screen: &Screen, control_plane: &ControlPlane, last: &mut Vec<String>) -> Result<()> {
    let table = control_plane.kubectl(&["get", "pib"]).await?;
    let mut lines = table.lines();
    let (Some(header), Some(line)) = (lines.next(), lines.next()) else { return Ok(()) };
    let cells = cells(header, line);
    if *last != cells {
        if last.is_empty() {
            screen.say(&padded(&self::cells(header, header)));
        }
        screen.say(&padded(&cells));
        *last = cells;
    }
    Ok(())
}

/// Cuts a line at the columns of the header's words, because cells may be empty.
fn cells(header: &str, line: &str) -> Vec<String> {
    let is_start = |at: &usize| {
        let before = header[..*at].chars().next_back();
        !header[*at..].starts_with(' ') && before.is_none_or(|letter| letter == ' ')
    };
    let starts: Vec<usize> = (0..header.len()).filter(is_start).collect();
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let cell = |(start, end): (&usize, usize)| line.get(*start..end.min(line.len())).unwrap_or("").trim().to_owned();
    starts.iter().zip(ends).take(WIDTHS.len()).map(cell).collect()
}

fn padded(cells: &[String]) -> String {
    let padded: Vec<_> = cells.iter().zip(WIDTHS).map(|(cell, width)| format!("{cell:width$}")).collect();
    padded.join(" ").trim_end().to_owned()
}
