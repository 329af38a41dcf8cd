//! The queue: nothing starts while it is closed, nothing is lost, nothing runs twice at the same
//! time.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use podidentity_cluster::queue;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

struct Worker {
    sender: queue::Sender<&'static str>,
    load: podidentity_cluster::queue::load::Load<&'static str>,
    open: watch::Sender<bool>,
    end: oneshot::Sender<()>,
    done: Arc<Mutex<Vec<&'static str>>>,
    running: JoinHandle<()>,
}

/// A queue whose work takes a second.
fn worker(open: bool) -> Worker {
    let (sender, queue) = queue::channel();
    let (open, is_open) = watch::channel(open);
    let (end, ended) = oneshot::channel::<()>();
    let done = Arc::new(Mutex::new(Vec::new()));
    let load = queue.load();
    let noted = Arc::clone(&done);
    let work = move |key| {
        let noted = Arc::clone(&noted);
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            noted.lock().unwrap().push(key);
            None
        }
    };
    let ended = async move {
        let _ = ended.await;
    };
    let running = tokio::spawn(queue.run(2, is_open, ended, work));
    Worker { sender, load, open, end, done, running }
}

async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

impl Worker {
    fn done(&self) -> Vec<&'static str> {
        let mut done = self.done.lock().unwrap().clone();
        done.sort_unstable();
        done
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_is_closed_each_key_is_kept_once() {
    let worker = worker(false);
    for key in ["a", "b", "a", "c", "a"] {
        worker.sender.now(key);
    }
    seconds(10).await;
    assert_eq!(worker.done(), [""; 0]);
    assert_eq!(worker.load.read().waiting, 3);
    worker.open.send_replace(true);
    seconds(10).await;
    assert_eq!(worker.done(), ["a", "b", "c"]);
    assert_eq!(worker.load.read().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn when_it_closes_nothing_more_is_started() {
    let worker = worker(true);
    for key in ["a", "b", "c", "d"] {
        worker.sender.now(key);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    worker.open.send_replace(false);
    seconds(10).await;
    assert_eq!(worker.done().len(), 2, "what was under way finishes, and no more");
    worker.open.send_replace(true);
    seconds(10).await;
    assert_eq!(worker.done(), ["a", "b", "c", "d"]);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_is_under_way_finishes() {
    let Worker { sender, end, done, running, .. } = worker(true);
    for key in ["a", "b", "c"] {
        sender.now(key);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(end);
    running.await.unwrap();
    assert_eq!(done.lock().unwrap().len(), 2);
}
