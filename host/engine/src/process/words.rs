//! What host and guard say to each other: one line a word, over the socket between them.

use std::fmt;
use std::str::FromStr;

use rustix::process::Pid;

/// From the host to the guard. Closing the socket is an order too: to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// SIGTERM to the engine's first process.
    Terminate,
    /// SIGKILL to the engine's process group.
    Kill,
}

/// From the guard to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The engine's first process runs; its number is also that of the engine's process group.
    Started(Pid),
    /// The engine could not be started: the system's error number.
    Failed(i32),
    /// The engine's first process has ended, with this wait status. What it left is being killed.
    Exited(i32),
}

/// Not a word of this protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unexpected word `{0}` between host and guard")]
pub(super) struct Unknown(String);

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Terminate => "terminate",
            Order::Kill => "kill",
        })
    }
}

impl FromStr for Order {
    type Err = Unknown;

    fn from_str(line: &str) -> Result<Self, Unknown> {
        match line {
            "terminate" => Ok(Order::Terminate),
            "kill" => Ok(Order::Kill),
            _ => Err(Unknown(line.to_owned())),
        }
    }
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Started(pid) => write!(f, "started {}", pid.as_raw_nonzero()),
            News::Failed(error) => write!(f, "failed {error}"),
            News::Exited(status) => write!(f, "exited {status}"),
        }
    }
}

impl FromStr for News {
    type Err = Unknown;

    fn from_str(line: &str) -> Result<Self, Unknown> {
        let unknown = || Unknown(line.to_owned());
        let (word, number) = line.split_once(' ').ok_or_else(unknown)?;
        let number: i32 = number.parse().map_err(|_| unknown())?;
        match word {
            "started" if number > 0 => Pid::from_raw(number).map(News::Started).ok_or_else(unknown),
            "failed" => Ok(News::Failed(number)),
            "exited" => Ok(News::Exited(number)),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn every_word_is_read_back() {
        for order in [Order::Terminate, Order::Kill] {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        for news in [News::Started(Pid::INIT), News::Failed(2), News::Exited(9)] {
            assert_eq!(news.to_string().parse(), Ok(news));
        }
    }

    #[test]
    fn other_words_are_refused() {
        assert!("".parse::<Order>().is_err());
        for line in ["", "started", "started x", "started 0", "started -4", "exit 1"] {
            assert!(line.parse::<News>().is_err(), "{line}");
        }
    }
}
