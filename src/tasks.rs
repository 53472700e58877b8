//! The one door through which work in the background is started.
//!
//! A server lives on work that nobody waits for: what follows the installation, delivers, plans again, carries commands out.
//! If such a task died, the server would stand there and lack it in silence. So a task that is [kept](Tasks::keep) is
//! started again when it panics, or ends although it should not: after a pause that grows, with a line in the log, and
//! counted. Whoever starts a task otherwise waits for it (`floors.rs` looks).

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
#[cfg(debug_assertions)]
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The pause before a task is started again, the first time. It doubles each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A task that has lived for longer than this begins with the first pause again.
const STEADY_AFTER: Duration = Duration::from_mins(2);

/// Tasks that were started again, by name, since the start of the process.
pub static RESTARTS: LazyLock<Family<TaskLabels, Counter>> = LazyLock::new(Family::default);

/// The label of [`RESTARTS`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TaskLabels {
    task: &'static str,
}

/// The tasks of a server, or a part of them that is waited for together. A clone starts tasks of the same part.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    kept: Arc<Kept>,
}

/// The kept tasks of all parts.
#[derive(Debug, Default)]
struct Kept {
    names: Mutex<Vec<&'static str>>,
    /// The name of a task that shall die.
    #[cfg(debug_assertions)]
    deaths: watch::Sender<String>,
}

impl Tasks {
    /// Another part of the same server, to be waited for apart.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { tracker: TaskTracker::new(), kept: Arc::clone(&self.kept) }
    }

    /// Starts work that goes on until `stop`. It is started again if it panics, or ends before.
    pub fn keep<W>(
        &self,
        name: &'static str,
        stop: &CancellationToken,
        work: impl FnMut() -> W + Send + 'static,
    ) -> JoinHandle<()>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.supervise(name, Some(stop.clone()), work)
    }

    /// The same for work that ends by itself: when what it reads from is closed.
    pub fn keep_open<W>(&self, name: &'static str, work: impl FnMut() -> W + Send + 'static) -> JoinHandle<()>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.supervise(name, None, work)
    }

    /// Starts work that is done once. Whoever needs its result waits for the handle, which tells of a panic.
    pub fn once<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tracker.spawn(work)
    }

    /// Waits until all tasks of this part have ended.
    pub async fn finish(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// The names of all tasks that are kept, in every part.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.kept.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the tasks of a name panic, wherever they are in their work: for tests. The tests of the API use this library as
    /// others do, so `cfg(test)` would not reach it; a server that is built for use does not have it.
    #[cfg(debug_assertions)]
    pub fn kill(&self, name: &str) {
        self.kept.deaths.send_replace(name.to_owned());
    }

    fn supervise<W>(
        &self,
        name: &'static str,
        stop: Option<CancellationToken>,
        mut work: impl FnMut() -> W + Send + 'static,
    ) -> JoinHandle<()>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.kept.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        #[cfg(debug_assertions)]
        let deaths = self.kept.deaths.clone();
        let task = async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let began = Instant::now();
                // What it has still to do at the end it may begin once more, and no more: the server waits for it.
                let is_last = stop.as_ref().is_some_and(CancellationToken::is_cancelled);
                let living = async { work().await };
                #[cfg(debug_assertions)]
                let living = mortal(name, deaths.subscribe(), living);
                match AssertUnwindSafe(living).catch_unwind().await {
                    Ok(()) if stop.as_ref().is_none_or(CancellationToken::is_cancelled) => return,
                    Ok(()) => tracing::error!(task = name, "a task ended by itself; it is started again"),
                    Err(panic) if is_last => {
                        tracing::error!(task = name, why = panic_text(&*panic), "a task died while the server stops");
                        return;
                    }
                    Err(panic) => {
                        tracing::error!(task = name, why = panic_text(&*panic), "a task died; it is started again");
                    }
                }
                RESTARTS.get_or_create(&TaskLabels { task: name }).inc();
                if began.elapsed() > STEADY_AFTER {
                    pause = FIRST_PAUSE;
                }
                match &stop {
                    None => tokio::time::sleep(pause).await,
                    Some(stop) => {
                        tokio::time::timeout(pause, stop.cancelled()).await.ok();
                    }
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        self.tracker.spawn(task)
    }
}

/// The message of a panic.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Work that dies when its name is called.
#[cfg(debug_assertions)]
async fn mortal(name: &'static str, mut deaths: watch::Receiver<String>, work: impl Future<Output = ()>) {
    let called = async {
        while deaths.changed().await.is_ok() {
            if *deaths.borrow_and_update() == name {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = called => killed(name),
    }
}

#[cfg(debug_assertions)]
#[expect(clippy::panic, reason = "a test asked for it")]
fn killed(name: &str) {
    panic!("{name} was killed by a test");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_panics_or_ends_too_early_is_started_again_and_ends_when_it_is_told() {
        let (tasks, stop, starts) = (Tasks::default(), CancellationToken::new(), Arc::new(AtomicU32::new(0)));
        let (count, stopped) = (Arc::clone(&starts), stop.clone());
        let began = Instant::now();
        tasks.keep("test-worker", &stop, move || {
            let (count, stopped) = (Arc::clone(&count), stopped.clone());
            async move {
                match count.fetch_add(1, Ordering::Relaxed) {
                    0 => panic!("of itself"),
                    1 => {}
                    2 => stopped.cancel(),
                    _ => panic!("too often"),
                }
            }
        });
        tasks.finish().await;
        assert_eq!(starts.load(Ordering::Relaxed), 3);
        assert!(began.elapsed() >= FIRST_PAUSE * 3, "the second pause is twice the first");
        assert_eq!(RESTARTS.get_or_create(&TaskLabels { task: "test-worker" }).get(), 2);
    }

    #[tokio::test]
    async fn a_task_that_only_dies_is_begun_once_more_at_the_end_and_holds_up_no_stop() {
        let (tasks, stop, starts) = (Tasks::default(), CancellationToken::new(), Arc::new(AtomicU32::new(0)));
        let (count, stopped) = (Arc::clone(&starts), stop.clone());
        tasks.keep("test-mortal", &stop, move || {
            let (count, stopped) = (Arc::clone(&count), stopped.clone());
            async move {
                stopped.cancelled().await;
                // Otherwise it would have no end, and the test neither.
                assert!(count.fetch_add(1, Ordering::Relaxed) > 9, "it dies at the end");
            }
        });
        stop.cancel();
        tasks.finish().await;
        assert!((1..=2).contains(&starts.load(Ordering::Relaxed)));
    }

    #[tokio::test]
    async fn what_reads_a_queue_goes_on_with_it_and_ends_with_it() {
        let (sender, queue) = tokio::sync::mpsc::unbounded_channel();
        let (queue, tasks, sum) =
            (Arc::new(tokio::sync::Mutex::new(queue)), Tasks::default(), Arc::new(AtomicU32::new(0)));
        let total = Arc::clone(&sum);
        tasks.keep_open("test-reader", move || {
            let (queue, total) = (Arc::clone(&queue), Arc::clone(&total));
            async move {
                while let Some(number) = queue.lock().await.recv().await {
                    assert_ne!(number, 13, "a number of ill omen");
                    total.fetch_add(number, Ordering::Relaxed);
                }
            }
        });
        for number in [1, 13, 2] {
            sender.send(number).expect("it lives");
        }
        drop(sender);
        tasks.finish().await;
        assert_eq!(sum.load(Ordering::Relaxed), 3);
    }
}
