//! The load generator: keep-alive HTTP/1.1 by hand, so that it takes as little of the machine as can be.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};

use crate::{
    Failure, PACKAGES, Plan,
    database::{Database, Loaded},
    support::{Server, machine::Clock},
};

/// What is sent: everything before the package's id, and everything behind it.
#[derive(Debug)]
pub(crate) struct Requests {
    head: String,
    tail: String,
    /// Whether every package can be asked for once only.
    once: bool,
}

impl Requests {
    /// `COMPLETE_PACKING` by slug.
    pub(crate) fn pack(server: &Server, loaded: &Loaded) -> Self {
        let body = format!(r#"{{"slug": "{}", "input_parameters": {{}}}}"#, loaded.ids.slug);
        let tail = format!(
            "/command/ HTTP/1.1\r\nHost: {}\r\nAuthorization: Token {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            server.address,
            loaded.ids.token,
            body.len()
        );
        Self { head: "POST /api/v1/oms/packages/".to_owned(), tail, once: true }
    }

    /// One package.
    pub(crate) fn get(server: &Server, loaded: &Loaded) -> Self {
        let tail =
            format!("/ HTTP/1.1\r\nHost: {}\r\nAuthorization: Token {}\r\n\r\n", server.address, loaded.ids.token);
        Self { head: "GET /api/v1/oms/packages/".to_owned(), tail, once: false }
    }
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phase {
    pub connections: usize,
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    pub slowest: Duration,
    /// Answers 200, warm-up included.
    pub done: u64,
    pub errors: u64,
}

/// What the connections share.
struct Run {
    requests: Requests,
    next: Cell<u64>,
    done: Cell<u64>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
    /// Microseconds, of what was answered between the warm-up and the end.
    latencies: RefCell<Vec<u32>>,
    from: Instant,
    until: Instant,
    ended: Cell<Instant>,
}

/// Sends requests over so many connections, each as soon as the one before is answered.
pub(crate) async fn drive(
    database: &Database,
    server: &Server,
    requests: Requests,
    connections: usize,
    plan: &Plan,
) -> Result<Phase, Failure> {
    let from = Instant::now() + plan.warm_up;
    let run = Rc::new(Run {
        requests,
        next: Cell::new(0),
        done: Cell::new(0),
        errors: Cell::new(0),
        first_error: RefCell::new(None),
        latencies: RefCell::new(Vec::with_capacity(1 << 18)),
        from,
        until: from + plan.measured,
        ended: Cell::new(from),
    });
    let local = LocalSet::new();
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(server.address).await?;
        stream.set_nodelay(true)?;
        tasks.push(local.spawn_local(converse(stream, Rc::clone(&run))));
    }
    let clock = Clock::start(&database.postgres, Some(server.process_id));
    local
        .run_until(async {
            for task in tasks {
                task.await??;
            }
            Ok::<(), Failure>(())
        })
        .await?;
    let phase = run.summary(connections);
    eprintln!(
        "  server, {connections:>3} connections: {:>6.0}/s, p50 {:>6.2} ms, p99 {:>6.2} ms, slowest {:>6.2} ms, {} errors; {}",
        phase.per_second,
        milliseconds(phase.p50),
        milliseconds(phase.p99),
        milliseconds(phase.slowest),
        phase.errors,
        clock.stop(phase.done)
    );
    if let Some(error) = run.first_error.borrow_mut().take() {
        return Err(format!("{} requests failed; the first: {error}", phase.errors).into());
    }
    Ok(phase)
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Run {
    /// The next package; none when the time or the packages are over.
    fn next_id(&self) -> Option<u64> {
        let n = self.next.get();
        let now = Instant::now();
        if now >= self.until || (self.requests.once && n >= PACKAGES) {
            return None;
        }
        self.next.set(n + 1);
        Some(1 + n % PACKAGES)
    }

    fn answered(&self, sent: Instant, status: &[u8], answer: &[u8]) {
        let now = Instant::now();
        if status == b"200" {
            self.done.set(self.done.get() + 1);
        } else {
            self.errors.set(self.errors.get() + 1);
            self.first_error.borrow_mut().get_or_insert_with(|| String::from_utf8_lossy(answer).into_owned());
        }
        if now >= self.from && now < self.until {
            let micros = u32::try_from(now.duration_since(sent).as_micros()).unwrap_or(u32::MAX);
            self.latencies.borrow_mut().push(micros);
            self.ended.set(now);
        }
    }

    fn summary(&self, connections: usize) -> Phase {
        let mut latencies = self.latencies.borrow_mut();
        latencies.sort_unstable();
        let rank = |percent: usize| {
            let micros = latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
            Duration::from_micros(u64::from(micros))
        };
        // Where the packages were over before the time was, the time is that of the last answer.
        let over = if self.requests.once && self.next.get() >= PACKAGES { self.ended.get() } else { self.until };
        let seconds = over.duration_since(self.from).as_secs_f64();
        Phase {
            connections,
            per_second: f64::from(u32::try_from(latencies.len()).unwrap_or(u32::MAX)) / seconds,
            p50: rank(50),
            p99: rank(99),
            slowest: Duration::from_micros(latencies.last().copied().unwrap_or_default().into()),
            done: self.done.get(),
            errors: self.errors.get(),
        }
    }
}

async fn converse(mut stream: TcpStream, run: Rc<Run>) -> Result<(), Failure> {
    let mut request = Vec::with_capacity(512);
    let mut answer = Vec::with_capacity(8192);
    while let Some(id) = run.next_id() {
        request.clear();
        request.extend_from_slice(run.requests.head.as_bytes());
        request.extend_from_slice(id.to_string().as_bytes());
        request.extend_from_slice(run.requests.tail.as_bytes());
        let sent = Instant::now();
        stream.write_all(&request).await?;
        answer.clear();
        let mut wanted = None;
        while wanted.is_none_or(|wanted| answer.len() < wanted) {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err("the server closed a connection".into());
            }
            if wanted.is_none() {
                wanted = length(&answer)?;
            }
        }
        run.answered(sent, answer.get(9..12).unwrap_or_default(), &answer);
    }
    Ok(())
}

/// Length of the whole answer, once its head is there.
fn length(answer: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end])?;
    let body = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(Some(end + 4 + body.ok_or("an answer without a length")??))
}
