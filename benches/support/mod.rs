//! What the benchmarks share.

pub(crate) mod machine;
mod postgres;
mod server;

use std::{fmt::Display, process::ExitCode};

use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

pub(crate) use postgres::Postgres;
pub(crate) use server::Server;

/// Starts what a benchmark needs, measures, and prints the report. Postgres is stopped in any case, also when the benchmark
/// is interrupted.
pub(crate) async fn run<Subject: Into<Postgres>, Report: Display>(
    name: &str,
    start: impl Future<Output = Result<Subject, Failure>>,
    measure: impl AsyncFnOnce(&Subject) -> Result<Report, Failure>,
) -> ExitCode {
    match Box::pin(unless_interrupted(start, measure)).await {
        Ok(Some(report)) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Ok(None) => ExitCode::from(130),
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn unless_interrupted<Subject: Into<Postgres>, Report>(
    start: impl Future<Output = Result<Subject, Failure>>,
    measure: impl AsyncFnOnce(&Subject) -> Result<Report, Failure>,
) -> Result<Option<Report>, Failure> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let subject = tokio::select! {
        subject = start => subject?,
        _ = interrupt.recv() => return Ok(None),
        _ = terminate.recv() => return Ok(None),
    };
    // What a phase started ends with it, also when it is dropped in the middle.
    let measured = tokio::select! {
        measured = Box::pin(measure(&subject)) => measured.map(Some),
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
    };
    subject.into().stop().await?;
    measured
}
