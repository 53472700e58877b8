//! The way of log lines to where they are written: a queue with a bound, and a thread that writes.
//!
//! Nothing that a server does depends on its log. Whoever logs only puts a line into the queue: a disk that is full, a pipe
//! that nobody reads, or one that is closed costs lines, and never a request. Lines that are lost are counted.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

/// Most bytes that wait to be written. So many lines again may be on their way.
const MOST_BYTES: usize = 1 << 20;
/// Pause before the next try, where a terminal or a pipe takes nothing just now.
const TRY_AGAIN: Duration = Duration::from_millis(10);

/// Lines on their way. Clones are the same queue.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// Lines that were lost.
    lost: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that found no room since the writer looked last.
    refused: u64,
    is_writing: bool,
}

impl Queue {
    /// An empty one. Lines that are lost are counted by `lost`.
    pub(super) fn new(lost: Counter) -> Self {
        Self(Arc::new(Shared { waiting: Mutex::default(), changed: Condvar::new(), lost }))
    }

    /// Starts the thread that writes. When lines were lost and lines can be written again, it calls `lines_were_lost`, which
    /// may log.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn write_to(
        &self,
        out: impl Write + Send + 'static,
        lines_were_lost: impl Fn() + Send + 'static,
    ) -> io::Result<()> {
        let queue = self.clone();
        let work = move || queue.write_forever(Out { to: out, is_in_line: false }, &lines_were_lost);
        thread::Builder::new().name("log".to_owned()).spawn(work).map(drop)
    }

    fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.bytes + line.len() > MOST_BYTES {
            waiting.refused += 1;
            self.0.lost.inc();
        } else {
            waiting.bytes += line.len();
            waiting.lines.push_back(line.to_vec());
        }
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, or given up as lost. False if that took too long.
    pub(super) fn finish(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut waiting = self.lock();
        while !waiting.lines.is_empty() || waiting.is_writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            (waiting, _) = self.0.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_forever(&self, mut out: Out<impl Write>, lines_were_lost: &impl Fn()) {
        let mut are_lost = false;
        loop {
            let (lines, refused) = self.take();
            for line in lines {
                if out.write_line(&line).is_ok() {
                    if std::mem::take(&mut are_lost) {
                        lines_were_lost();
                    }
                } else {
                    self.0.lost.inc();
                    are_lost = true;
                }
            }
            if refused > 0 && !are_lost {
                lines_were_lost();
            }
            self.lock().is_writing = false;
            self.0.changed.notify_all();
        }
    }

    /// Waits for lines, and takes them all.
    fn take(&self) -> (VecDeque<Vec<u8>>, u64) {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() {
            waiting = self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_writing = true;
        waiting.bytes = 0;
        (std::mem::take(&mut waiting.lines), std::mem::take(&mut waiting.refused))
    }
}

/// Takes an event as one line. It never fails.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Where lines are written.
struct Out<W> {
    to: W,
    /// A line was begun and could not be ended.
    is_in_line: bool,
}

impl<W: Write> Out<W> {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.is_in_line {
            self.write(b"\n")?;
        }
        self.write(line)
    }

    fn write(&mut self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.to.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.is_in_line = rest.get(written - 1) != Some(&b'\n');
                    rest = rest.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the thread is there for nothing else")]
fn pause() {
    thread::sleep(TRY_AGAIN);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A writer that a test lets write, byte limit by byte limit, or fail.
    struct Gate {
        /// Told of each call before it waits for its turn.
        asked: mpsc::Sender<()>,
        turns: mpsc::Receiver<Turn>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    enum Turn {
        /// Takes at most so many bytes.
        Takes(usize),
        Fails,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Not every test listens.
            let _ = self.asked.send(());
            match self.turns.recv().unwrap_or(Turn::Takes(usize::MAX)) {
                Turn::Fails => Err(io::ErrorKind::StorageFull.into()),
                Turn::Takes(most) => {
                    let taken = most.min(bytes.len());
                    self.written.lock().expect("no panic").extend_from_slice(&bytes[..taken]);
                    Ok(taken)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Scene {
        queue: Queue,
        asked: mpsc::Receiver<()>,
        turns: mpsc::Sender<Turn>,
        written: Arc<Mutex<Vec<u8>>>,
        lost: Counter,
    }

    fn scene() -> Scene {
        let ((turns, receiver), (asking, asked)) = (mpsc::channel(), mpsc::channel());
        let (written, lost) = (Arc::default(), Counter::default());
        let queue = Queue::new(lost.clone());
        let gate = Gate { asked: asking, turns: receiver, written: Arc::clone(&written) };
        let (saying, count) = (queue.clone(), lost.clone());
        let say = move || saying.push(format!("{} lost\n", count.get()).as_bytes());
        queue.write_to(gate, say).expect("a thread");
        Scene { queue, asked, turns, written, lost }
    }

    impl Scene {
        fn written(&self) -> String {
            String::from_utf8(self.written.lock().expect("no panic").clone()).expect("UTF-8")
        }

        /// Logs lines that are an eighth of the bound each, from another thread.
        fn log(&self, lines: usize) {
            let (queue, (done, is_done)) = (self.queue.clone(), mpsc::channel());
            thread::spawn(move || {
                let mut line = vec![b'x'; MOST_BYTES / 8 - 1];
                line.push(b'\n');
                for _ in 0..lines {
                    queue.push(&line);
                }
                done.send(())
            });
            is_done.recv_timeout(LONG).expect("whoever logs does not wait for the reader");
        }

        /// Waits until the writer has lines in its hands and waits for its turn.
        fn is_stuck(&self) {
            self.asked.recv_timeout(LONG).expect("it writes");
        }

        /// Lets the writer write, and gives what was said of lost lines.
        fn read_again(self) -> Vec<String> {
            drop(self.turns);
            assert!(self.queue.finish(LONG));
            let written = String::from_utf8(self.written.lock().expect("no panic").clone()).expect("UTF-8");
            written.lines().filter(|line| line.ends_with(" lost")).map(str::to_owned).collect()
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_said_once_when_they_can_be_again() {
        let scene = scene();
        for (turn, line) in [
            (vec![Turn::Takes(9)], "first\n"),
            // The disk is full in the middle of a line.
            (vec![Turn::Takes(3), Turn::Fails], "second\n"),
            (vec![Turn::Fails], "third\n"),
            (vec![Turn::Takes(1), Turn::Takes(99), Turn::Takes(99)], "fourth\n"),
            (vec![Turn::Takes(99)], "fifth\n"),
        ] {
            for turn in turn {
                scene.turns.send(turn).expect("it listens");
            }
            scene.queue.push(line.as_bytes());
            assert!(scene.queue.finish(LONG));
        }
        assert_eq!(scene.written(), "first\nsec\nfourth\n2 lost\nfifth\n");
        assert_eq!(scene.lost.get(), 2);
    }

    #[test]
    fn a_reader_that_reads_nothing_holds_up_nobody_and_costs_lines() {
        let scene = scene();
        scene.log(1);
        scene.is_stuck();
        // Eight of them wait.
        scene.log(40);
        assert_eq!(scene.lost.get(), 32);
        assert!(!scene.queue.finish(Duration::from_millis(1)));
        assert_eq!(scene.read_again(), ["32 lost"]);
    }

    #[test]
    fn a_notice_that_finds_no_room_itself_is_lost_and_the_next_one_counts_it() {
        let scene = scene();
        scene.log(1);
        scene.is_stuck();
        scene.log(8 + 2);
        scene.turns.send(Turn::Takes(usize::MAX)).expect("it listens");
        // The writer knows of two, and the room for what it will say of them is taken before it has written.
        scene.is_stuck();
        scene.log(8 + 1);
        assert_eq!(scene.read_again(), ["4 lost"]);
    }
}
