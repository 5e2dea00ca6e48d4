//! Processor time of a worker for each token it sends.

use super::{SINGLE, Subjects};
use crate::error::BenchError;
use crate::load::{Ask, Load};
use crate::process::Subject;
use crate::report::{Budget, Row};

/// A kind of load.
struct Burst {
    name: &'static str,
    /// Clients at once.
    streams: usize,
    /// What each asks one after another.
    requests: usize,
    ask: Ask,
    budgets: &'static [Budget],
}

const BURSTS: [Burst; 6] = [
    Burst {
        name: "CPU per token, 32 streams of 128",
        streams: 32,
        requests: 4,
        ask: Ask::tokens(128),
        budgets: &[Budget::AtMost(6.0), Budget::OfPeer(1.0 / 7.0), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token, one stream of 128",
        streams: 1,
        requests: 60,
        ask: Ask::tokens(128),
        budgets: &[Budget::OfPeer(0.1), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token, 1,000 streams of 32",
        streams: 1_000,
        requests: 1,
        ask: Ask::tokens(32),
        budgets: &[Budget::OfPeer(1.0 / 7.0), Budget::OfFloor(1.5)],
    },
    Burst {
        name: "CPU per token with 20 alternatives, 32 streams of 128",
        streams: 32,
        requests: 2,
        ask: Ask { logprobs: true, ..Ask::tokens(128) },
        budgets: &[Budget::OfPeer(1.0 / 3.0), Budget::OfFloor(2.0)],
    },
    Burst {
        name: "CPU per request of one token",
        streams: 1,
        requests: SINGLE,
        ask: Ask::tokens(1),
        budgets: &[Budget::AtMost(200.0), Budget::OfPeer(0.5)],
    },
    Burst {
        name: "CPU per request of one token, 32,000 in its prompt",
        streams: 1,
        requests: SINGLE / 4,
        ask: Ask { prompt: 32_000, ..Ask::tokens(1) },
        budgets: &[Budget::OfPeer(0.5)],
    },
];

/// The figures of all kinds of load.
pub async fn rows(subjects: &Subjects, rounds: usize, load: &Load) -> Result<Vec<Row>, BenchError> {
    let mut rows = Vec::new();
    for burst in &BURSTS {
        rows.push(under(burst, subjects, rounds, load).await?);
    }
    rows.extend(growth(&subjects.ours, rounds, load).await?);
    Ok(rows)
}

async fn under(
    burst: &Burst,
    subjects: &Subjects,
    rounds: usize,
    load: &Load,
) -> Result<Row, BenchError> {
    let all = [&subjects.ours, &subjects.peer, &subjects.floor];
    let mut figures = [const { Vec::new() }; 3];
    for round in 0..=rounds {
        for (subject, figures) in all.iter().zip(&mut figures) {
            let cost = per_token(subject, load, burst.streams, burst.requests, burst.ask).await?;
            // The first round warms pools and caches.
            if round > 0 {
                figures.push(cost);
            }
        }
    }
    let [ours, peer, floor] = figures;
    Ok(Row::new(burst.name, "us", &ours, &peer, &floor, burst.budgets))
}

/// Processor time of a worker for each token it sends, in microseconds.
async fn per_token(
    subject: &Subject,
    load: &Load,
    streams: usize,
    requests: usize,
    ask: Ask,
) -> Result<f64, BenchError> {
    let before = subject.cpu()?;
    load.burst(subject, streams, requests, ask).await?;
    let used = subject.cpu()?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1e6 / ((streams * requests) as f64 * f64::from(ask.tokens)))
}

/// Whether a token costs more the more there are: at the end of a long answer, and beside many others.
async fn growth(ours: &Subject, rounds: usize, load: &Load) -> Result<[Row; 2], BenchError> {
    let (mut by_length, mut by_streams) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let short = per_token(ours, load, 1, 200, Ask::tokens(100)).await?;
        let long = per_token(ours, load, 1, 1, Ask::tokens(100_000)).await?;
        let many = per_token(ours, load, 1_000, 1, Ask::tokens(100)).await?;
        by_length.push(long / short);
        by_streams.push(many / short);
    }
    // Noise is no growth.
    let flat = &[Budget::AtMost(1.1)];
    Ok([
        Row::new("a token of an answer of 100,000, to one of 100", "x", &by_length, &[], &[], flat),
        Row::new("a token of 1,000 streams, to one of one", "x", &by_streams, &[], &[], flat),
    ])
}
