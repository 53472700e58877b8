//! The pipeline: waiting commands are read, decided and written together.
//!
//! There are two tasks. The *reader* takes all waiting commands, reads their packages and decides; the *writer* writes
//! everything that was decided meanwhile, in one transaction. So the next group is read and decided while one is
//! written, and the writing connection never pauses; a single command goes straight through both. A package is in one
//! group at a time: its next command waits until the one before is written, and so sees the result.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use http::StatusCode;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use super::{
    super::outcome::{Outcome, PackageAnswer},
    LARGEST_GROUP, Request,
    decided::Decision,
    engine::{AttemptError, Engine, Way, all_failed, is_conflict, unless_it_panics},
    pinned::PinnedConnection,
};
use crate::{
    catalog::Catalog,
    commands::package::subject::Packages,
    error::{Error, Result},
    tasks::Tasks,
};

/// Most commands that may wait to be read. One more is answered 503.
const LONGEST_QUEUE: usize = 4096;
/// Most batches that are decided and wait to be written: old decisions often conflict.
const MOST_DECIDED: usize = 8;
/// Most commands that run as fallbacks, and of these, most at the same time.
const MOST_FALLBACKS: usize = LONGEST_QUEUE;
const MOST_FALLBACKS_AT_ONCE: usize = 4;

/// The outcome of a command, or why it could not be run.
type Answer = Result<Outcome<PackageAnswer>>;

/// A command that waits for its outcome.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// A group on its way from the reader to the writer.
struct Batch {
    /// The catalog of the decisions. None: they could not be made without locks, and the writer makes them.
    catalog: Option<Arc<Catalog>>,
    commands: Vec<(Pending, Option<Decision<PackageAnswer>>)>,
}

/// A queue that outlives the task that reads it: the task may die, and is started again.
type Queue<R> = Arc<Mutex<R>>;

/// Starts both tasks. They end, with everything done, when the sender is dropped.
pub(super) fn start(engine: &Arc<Engine>, tasks: &Tasks) -> mpsc::Sender<Pending> {
    let (queue, arriving) = mpsc::channel(LONGEST_QUEUE);
    let (decided, to_write) = mpsc::channel(MOST_DECIDED);
    let (done, finished) = mpsc::unbounded_channel();
    let fallback = Arc::new(Fallback {
        places: Arc::new(Semaphore::new(MOST_FALLBACKS)),
        at_once: Arc::new(Semaphore::new(MOST_FALLBACKS_AT_ONCE)),
        done: done.clone(),
        tasks: tasks.clone(),
    });
    let (arriving, finished) = (Arc::new(Mutex::new(arriving)), Arc::new(Mutex::new(finished)));
    let ours = Arc::clone(engine);
    tasks.keep_open("reader of commands", move || {
        read_forever(Arc::clone(&arriving), Arc::clone(&finished), decided.clone(), Arc::clone(&ours))
    });
    let (to_write, engine) = (Arc::new(Mutex::new(to_write)), Arc::clone(engine));
    tasks.keep_open("writer of commands", move || {
        write_forever(Arc::clone(&to_write), done.clone(), Arc::clone(&fallback), Arc::clone(&engine))
    });
    queue
}

/// Messages to the reader.
#[expect(
    clippy::large_enum_variant,
    reason = "it is matched where it comes in; a box would cost each command an allocation"
)]
enum Message {
    Arrived(Option<Pending>),
    Done(Option<Done>),
}

/// What the writer tells the reader: who waits for these may go on.
enum Done {
    Requests(Vec<Request>),
    /// The writer was started again: what it had in hand is lost. What others still do is found when the next command is
    /// written, as with another server.
    Everything,
}

async fn read_forever(
    arriving: Queue<mpsc::Receiver<Pending>>,
    finished: Queue<mpsc::UnboundedReceiver<Done>>,
    decided: mpsc::Sender<Batch>,
    engine: Arc<Engine>,
) {
    let (mut arriving, mut finished) = (arriving.lock().await, finished.lock().await);
    let mut waiting = Waiting::default();
    let mut pinned = PinnedConnection::default();
    let mut is_open = true;
    loop {
        // Other tasks that read requests run first, as long as they bring more commands. Otherwise the first of many
        // commands would be a group by itself.
        loop {
            let before = waiting.len();
            tokio::task::yield_now().await;
            while waiting.len() < LONGEST_QUEUE
                && let Ok(pending) = arriving.try_recv()
            {
                waiting.push(pending);
            }
            if waiting.len() == before {
                break;
            }
        }
        while let Ok(done) = finished.try_recv() {
            waiting.free(&done);
        }
        let group = waiting.take_group();
        if !group.is_empty() {
            if let Some(batch) = decide(&engine, &mut pinned, group, &mut waiting).await
                && decided.send(batch).await.is_err()
            {
                return;
            }
            continue;
        }
        if !is_open && waiting.len() == 0 {
            return;
        }
        let message = async {
            tokio::select! {
                pending = arriving.recv(), if is_open => Message::Arrived(pending),
                done = finished.recv() => Message::Done(done),
            }
        };
        match pinned.wait_for(message).await {
            Message::Arrived(Some(pending)) => waiting.push(pending),
            Message::Arrived(None) => is_open = false,
            Message::Done(Some(done)) => waiting.free(&done),
            Message::Done(None) => return,
        }
    }
}

/// Reads and decides a group. Commands without changes are answered; the others are to be written.
async fn decide(
    engine: &Engine,
    pinned: &mut PinnedConnection,
    group: Vec<Pending>,
    waiting: &mut Waiting,
) -> Option<Batch> {
    let requests: Vec<&Request> = group.iter().map(|pending| &pending.request).collect();
    let mut decided = unless_it_panics(engine.decide(pinned, &requests)).await;
    if matches!(&decided, Err(AttemptError::Failed(error)) if error.is_lost_connection()) {
        // Nothing is written yet, so it is decided again on another connection.
        decided = unless_it_panics(engine.decide(pinned, &requests)).await;
    }
    let (catalog, decisions) = match decided {
        Ok(decided) => decided,
        Err(AttemptError::Failed(error)) if !is_conflict(&error) && says_not_now(&error) => {
            let replies = all_failed(error, group.len());
            for (pending, reply) in group.into_iter().zip(replies) {
                waiting.release(std::slice::from_ref(&pending.request));
                answer(pending.reply, reply);
            }
            return None;
        }
        Err(_) => {
            let commands = group.into_iter().map(|pending| (pending, None)).collect();
            return Some(Batch { catalog: None, commands });
        }
    };
    let mut commands = Vec::with_capacity(group.len());
    for (pending, decision) in group.into_iter().zip(decisions) {
        if decision.is_to_be_written() {
            commands.push((pending, Some(decision)));
        } else {
            waiting.release(std::slice::from_ref(&pending.request));
            answer(pending.reply, Ok(decision.outcome));
        }
    }
    (!commands.is_empty()).then_some(Batch { catalog: Some(catalog), commands })
}

async fn write_forever(
    batches: Queue<mpsc::Receiver<Batch>>,
    done: mpsc::UnboundedSender<Done>,
    fallback: Arc<Fallback>,
    engine: Arc<Engine>,
) {
    let mut batches = batches.lock().await;
    done.send(Done::Everything).ok();
    let mut next = None;
    let mut pinned = PinnedConnection::default();
    loop {
        let mut batch = match next.take() {
            Some(batch) => batch,
            None => match pinned.wait_for(batches.recv()).await {
                Some(batch) => batch,
                None => return,
            },
        };
        while let Ok(more) = batches.try_recv() {
            if let Some(apart) = batch.join(more) {
                next = Some(apart);
                break;
            }
        }
        let replies = match write(&engine, &mut pinned, &mut batch).await {
            Ok(replies) => replies.into_iter().map(Ok).collect(),
            Err(failure) if may_be_of_one(&failure, batch.commands.len()) => {
                tracing::warn!(error = %failure, commands = batch.commands.len(), "a group failed; each command runs by itself");
                for (pending, _) in batch.commands {
                    fallback.run_alone(&engine, pending);
                }
                continue;
            }
            Err(failure) => all_failed(failure, batch.commands.len()),
        };
        let (requests, senders): (Vec<_>, Vec<_>) =
            batch.commands.into_iter().map(|(pending, _)| (pending.request, pending.reply)).unzip();
        // The reader may have ended, when no command waits any more.
        done.send(Done::Requests(requests)).ok();
        for (sender, reply) in senders.into_iter().zip(replies) {
            answer(sender, reply);
        }
    }
}

/// Writes a batch: without locks if all facts are still valid, else under locks.
async fn write(
    engine: &Engine,
    pinned: &mut PinnedConnection,
    batch: &mut Batch,
) -> Result<Vec<Outcome<PackageAnswer>>> {
    // The order in which packages are locked.
    batch.commands.sort_by_key(|(pending, _)| pending.request.id);
    let decisions = batch.commands.iter_mut().filter_map(|(_, decision)| decision.take()).collect();
    let requests: Vec<&Request> = batch.commands.iter().map(|(pending, _)| &pending.request).collect();
    if let Some(catalog) = &batch.catalog {
        match unless_it_panics(engine.write(pinned, catalog, &requests, decisions)).await {
            Ok(replies) => return Ok(replies),
            Err(AttemptError::Failed(error)) if !is_conflict(&error) => return Err(error),
            Err(_) => {}
        }
    }
    engine.run_locked::<Packages>(Way::Group, &requests).await
}

/// True if a failure is not about any command: the database is away, or overloaded.
fn says_not_now(failure: &Error) -> bool {
    failure.status() == StatusCode::SERVICE_UNAVAILABLE && !failure.is_lock_timeout()
}

/// True if commands that failed together may succeed one by one, without delaying others.
fn may_be_of_one(failure: &Error, commands: usize) -> bool {
    failure.is_lock_timeout() || (commands > 1 && !says_not_now(failure))
}

/// Runs the commands of a group that failed because of one of them, or that waits for a lock: each runs by itself, and
/// no other package waits for it.
struct Fallback {
    places: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    done: mpsc::UnboundedSender<Done>,
    tasks: Tasks,
}

impl Fallback {
    fn run_alone(&self, engine: &Arc<Engine>, pending: Pending) {
        let Pending { request, reply } = pending;
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.done.send(Done::Requests(vec![request])).ok();
            return answer(reply, Err(Error::Overloaded));
        };
        let (engine, at_once, done) = (Arc::clone(engine), Arc::clone(&self.at_once), self.done.clone());
        self.tasks.once(async move {
            let turn = at_once.acquire().await;
            let outcome = engine.run_alone::<Packages>(&request).await;
            drop((turn, place));
            done.send(Done::Requests(vec![request])).ok();
            answer(reply, outcome);
        });
    }
}

/// A client that has gone away does not get the answer; the command is done.
fn answer(sender: oneshot::Sender<Answer>, reply: Answer) {
    sender.send(reply).ok();
}

impl Batch {
    /// Adds another batch, or returns it if they cannot be written together.
    fn join(&mut self, other: Self) -> Option<Self> {
        let versions = (self.catalog.as_ref(), other.catalog.as_ref());
        let alike = versions.0.map(|catalog| catalog.version) == versions.1.map(|catalog| catalog.version);
        if !alike || self.commands.len() + other.commands.len() > LARGEST_GROUP {
            return Some(other);
        }
        self.commands.extend(other.commands);
        None
    }
}

/// Waiting commands, in order, and what is being processed.
#[derive(Default)]
pub(super) struct Waiting {
    commands: VecDeque<Pending>,
    packages: HashSet<i64>,
    keys: HashSet<(i64, String)>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.commands.push_back(pending);
    }

    /// The next group: in order, each package and each key only once; the others keep waiting.
    pub(super) fn take_group(&mut self) -> Vec<Pending> {
        let mut group = Vec::new();
        let mut passed_over = VecDeque::new();
        // A package that is skipped stays skipped in this group: its commands keep their order.
        let mut later = HashSet::new();
        while group.len() < LARGEST_GROUP
            && let Some(pending) = self.commands.pop_front()
        {
            let package_id = pending.request.id;
            let key = key(&pending.request);
            let is_free = !self.packages.contains(&package_id)
                && !later.contains(&package_id)
                && key.as_ref().is_none_or(|key| !self.keys.contains(key));
            if is_free {
                self.packages.insert(package_id);
                self.keys.extend(key);
                group.push(pending);
            } else {
                later.insert(package_id);
                passed_over.push_back(pending);
            }
        }
        passed_over.append(&mut self.commands);
        self.commands = passed_over;
        group
    }

    fn free(&mut self, done: &Done) {
        match done {
            Done::Requests(requests) => self.release(requests),
            Done::Everything => {
                self.packages.clear();
                self.keys.clear();
            }
        }
    }

    /// Marks these as done.
    pub(super) fn release(&mut self, requests: &[Request]) {
        for request in requests {
            self.packages.remove(&request.id);
            if let Some(key) = key(request) {
                self.keys.remove(&key);
            }
        }
    }
}

fn key(request: &Request) -> Option<(i64, String)> {
    request.key.as_ref().map(|key| (key.user_id, key.key.clone()))
}
