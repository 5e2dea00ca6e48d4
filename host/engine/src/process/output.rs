//! What the engine writes: into our log, line by line, and the last lines kept for errors.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

/// How many lines are kept.
const KEPT: usize = 40;

/// How much of a line is taken, in bytes. The rest of it is dropped.
const LONGEST: usize = 4096;

/// How long [`Output::end`] waits for a pipe that somebody still holds.
const PATIENCE: Duration = Duration::from_secs(1);

/// The last lines of an engine, also after its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastLines(Arc<Mutex<VecDeque<String>>>);

impl LastLines {
    /// The lines, oldest first.
    pub(crate) fn get(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }

    fn take(&self, line: &str) {
        tracing::info!(target: "engine", "{line}");
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

/// The engine's standard output and error.
#[derive(Debug, Default)]
pub(super) struct Output {
    last: LastLines,
    readers: Vec<JoinHandle<()>>,
}

impl Output {
    /// Takes every line of `pipe` until its end.
    pub(super) fn follow(&mut self, mut pipe: impl AsyncRead + Unpin + Send + 'static) {
        let last = self.last.clone();
        self.readers.push(tokio::spawn(async move {
            let mut lines = Cutter::default();
            let mut buffer = vec![0; 16 << 10];
            while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
                lines.feed(buffer.get(..read).unwrap_or_default(), |line| last.take(line));
            }
            lines.end(|line| last.take(line));
        }));
    }

    /// The last lines, while they come and after.
    pub(super) fn last(&self) -> LastLines {
        self.last.clone()
    }

    /// Waits until all is read, of an engine that has ended.
    pub(super) async fn end(&mut self) {
        let all = async {
            for reader in &mut self.readers {
                let _ = reader.await;
            }
        };
        let _ = tokio::time::timeout(PATIENCE, all).await;
        self.readers.iter().for_each(JoinHandle::abort);
        self.readers.clear();
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

/// Cuts output into lines, also at the `\r` of a progress bar. Empty lines are dropped.
#[derive(Default)]
struct Cutter {
    begun: Vec<u8>,
}

impl Cutter {
    fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (text, ended) = match piece.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (piece, false),
            };
            let room = LONGEST - self.begun.len();
            self.begun.extend_from_slice(text.get(..room).unwrap_or(text));
            if ended {
                self.end(&mut take);
            }
        }
    }

    fn end(&mut self, mut take: impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.begun);
        if !line.trim().is_empty() {
            take(line.trim_end());
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut cutter = Cutter::default();
        let mut lines = Vec::new();
        for piece in pieces {
            cutter.feed(piece, |line| lines.push(line.to_owned()));
        }
        cutter.end(|line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn lines_are_cut_across_reads_and_at_progress_bars() {
        assert_eq!(
            lines(&[b"one\ntw", b"o\r\n\n  \n50%\r100%\r", b"last"]),
            ["one", "two", "50%", "100%", "last"]
        );
    }

    #[test]
    fn a_long_line_is_shortened_and_what_is_not_text_is_kept() {
        let long = vec![b'x'; 3 * LONGEST];
        let lines = lines(&[&long, &long, b"\nnext \xff\n"]);
        assert_eq!(lines[0].len(), LONGEST);
        assert_eq!(lines[1], "next \u{fffd}");
    }

    #[tokio::test]
    async fn only_the_last_lines_are_kept() {
        let mut output = Output::default();
        let text: String = (0..100).map(|number| format!("{number}\n")).collect();
        output.follow(std::io::Cursor::new(text.into_bytes()));
        output.end().await;
        let last = output.last().get();
        assert_eq!(last.len(), KEPT);
        assert_eq!((last[0].as_str(), last[KEPT - 1].as_str()), ("60", "99"));
    }
}
