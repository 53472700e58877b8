//! Passwords: which are good, and how they are kept.
//!
//! They are hashed by argon2id, which takes 19 MiB and tens of milliseconds: on two threads of its own, so that no number
//! of logins takes more, whoever hangs up meanwhile. What a guesser tries first is refused: zxcvbn knows the common
//! passwords and words, and what people make of them.

use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::oneshot;
use zxcvbn::{Score, zxcvbn};

use crate::{
    error::{Error, Refusal, Result},
    secret::Secret,
};

/// Shortest password, in characters.
pub const SHORTEST: usize = 10;
/// Longest password, in characters.
pub const LONGEST: usize = 256;

/// Characters that are judged together. zxcvbn tries every way in which a text may be words in disguise: of a hundred signs
/// it takes seconds, in which nobody could log in. What has a good piece is good as a whole.
const PIECE: usize = 32;
/// Pieces that are judged: about as much as zxcvbn looks at.
const PIECES: usize = 3;

/// Passwords that are hashed at once.
const THREADS: usize = 2;
/// Passwords that wait. More are refused with 503.
const MOST_WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

static WAITING: LazyLock<SyncSender<Job>> = LazyLock::new(|| {
    let (sender, receiver) = sync_channel::<Job>(MOST_WAITING);
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..THREADS {
        let receiver = Arc::clone(&receiver);
        let thread = thread::Builder::new().name(format!("passwords-{number}"));
        if let Err(error) = thread.spawn(move || work(&receiver)) {
            tracing::error!(%error, "cannot start a thread for passwords");
        }
    }
    sender
});

fn work(waiting: &Mutex<Receiver<Job>>) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // Whoever waits for it hears that it failed; the thread goes on.
            Ok(job) => drop(panic::catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}

/// Runs work on one of the threads. If the caller is gone when its turn comes, it is left out.
async fn on_a_thread<T: Send + 'static>(job: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    let job = Box::new(move || {
        if !answer.is_closed() {
            answer.send(job()).ok();
        }
    });
    WAITING.try_send(job).map_err(|_| Error::Overloaded)?;
    answered.await.map_err(|_| Error::Fault("hashing a password: the thread ended".to_owned()))?
}

/// Why a password is not good for a user, in the words of Django.
fn fault(username: &str, password: &str) -> Option<String> {
    let length = password.chars().count();
    if length < SHORTEST {
        return Some(format!("This password is too short. It must contain at least {SHORTEST} characters."));
    }
    if length > LONGEST {
        return Some(format!("Ensure this field has no more than {LONGEST} characters."));
    }
    let (name, lower) = (username.to_lowercase(), password.to_lowercase());
    // What is left of it without the name is what has to be guessed.
    if !name.is_empty() && lower.contains(&name) && lower.replace(&name, "").chars().count() < SHORTEST {
        return Some("The password is too similar to the username.".to_owned());
    }
    (!is_hard_to_guess(username, password)).then(|| "This password is too common.".to_owned())
}

fn is_hard_to_guess(username: &str, password: &str) -> bool {
    let letters: Vec<char> = password.chars().collect();
    letters.chunks(PIECE).take(PIECES).any(|piece| {
        let piece: String = piece.iter().collect();
        zxcvbn(&piece, &[username]).score() >= Score::Three
    })
}

/// Hashes a new password of a user.
///
/// # Errors
/// 400 of this field when the password is not good; as `hash`.
pub async fn hash_new(field: &'static str, username: &str, password: Secret) -> Result<Secret> {
    let username = username.to_owned();
    let checked = on_a_thread(move || match fault(&username, password.reveal()) {
        Some(fault) => Err(Refusal::field(field, fault).into()),
        None => Ok(password),
    });
    Ok(hash(checked.await?.reveal().to_owned()).await?.into())
}

/// Hashes a password.
///
/// # Errors
/// 503 when too many wait, a fault when hashing fails.
async fn hash(password: String) -> Result<String> {
    on_a_thread(move || {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|hash| hash.to_string()).map_err(|error| Error::Fault(format!("argon2: {error}")))
    })
    .await
}

/// True if a password has this hash. Takes the same time with and without one, so that names cannot be discovered.
///
/// # Errors
/// 503 when too many wait, a fault when the hash cannot be read.
pub(super) async fn verify(password: String, stored: Option<String>) -> Result<bool> {
    on_a_thread(move || {
        let Some(stored) = stored else {
            Argon2::default().hash_password(password.as_bytes()).ok();
            return Ok(false);
        };
        let parsed =
            PasswordHash::new(&stored).map_err(|error| Error::Fault(format!("stored password hash: {error}")))?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_panic_costs_no_thread() {
        for _ in 0..=THREADS {
            on_a_thread(|| -> Result<()> { panic!("of a fault of ours") }).await.expect_err("it failed");
        }
        on_a_thread(|| Ok(())).await.expect("a thread is left");
    }

    #[test]
    fn what_a_guesser_tries_first_is_no_password() {
        for (password, why) in [
            ("k7#pQ2!x", "too short"),
            ("short", "too short"),
            ("password123", "too common"),
            ("1234567890", "too common"),
            ("12345678901234567890", "too common"),
            ("qwertyuiop", "too common"),
            ("P@ssw0rd2024", "too common"),
            ("aaaaaaaaaaaaaaaa", "too common"),
            ("iloveyou12", "too common"),
            ("correcthorse", "too common"),
            ("ayse-kaya", "too short"),
            ("ayse-kaya-ayse-kaya", "too similar"),
            ("Ayse-Kaya-77", "too similar"),
        ] {
            let said = fault("ayse-kaya", password);
            assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{password}: {said:?}");
        }
        assert!(fault("a", &"long ".repeat(60)).is_some_and(|said| said.contains("no more than")));
        for good in
            ["correct horse battery staple", "vXz9-kelebek-mor", "kırk yılda bir gibisin", "Tr0ub4dor&3 ayse-kaya x"]
        {
            assert_eq!(fault("ayse-kaya", good), None, "{good}");
        }
    }

    #[test]
    fn a_long_password_is_judged_as_soon_as_a_short_one() {
        let signs = "4@8({[</369&#!1/|0$5+7%2".repeat(11);
        let signs: String = signs.chars().take(LONGEST).collect();
        let took = |judge: &dyn Fn()| {
            let begun = std::time::Instant::now();
            judge();
            begun.elapsed()
        };
        let whole = took(&|| drop(zxcvbn(&signs, &["ayse"])));
        let judged = took(&|| assert_eq!(fault("ayse", &signs), None));
        assert!(judged * 3 < whole, "{judged:?} of {whole:?}");
        // Strong anywhere is strong; weak everywhere is weak.
        assert_eq!(fault("ayse", &format!("{}vXz9-kelebek-mor", "a".repeat(PIECE))), None);
        assert!(fault("ayse", &"password".repeat(30)).is_some());
    }

    #[tokio::test]
    async fn however_many_hang_up_two_run_at_once_and_the_next_is_answered() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        static RUN: AtomicUsize = AtomicUsize::new(0);
        let slow = || {
            MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            Argon2::default().hash_password(b"x").ok();
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            RUN.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        for _ in 0..40 {
            // Polled once, so that it waits, and dropped.
            let mut waiting = Box::pin(on_a_thread(slow));
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        while hash("password".to_owned()).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert!(MOST.load(Ordering::SeqCst) <= THREADS);
        assert!(RUN.load(Ordering::SeqCst) <= THREADS, "the others were gone before their turn");
    }
}
