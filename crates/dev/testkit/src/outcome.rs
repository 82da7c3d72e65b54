//! How a test fails: with a panic where the question mark stands, so that what it leaves behind can be shown.

/// What a test returns.
pub type Outcome = Result<(), Failure>;

/// Never made: turning an error into it panics at the place that did so. An error that is only returned would be printed
/// after everything of the test was dropped, the log of its cluster included.
#[derive(Debug)]
pub enum Failure {}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    #[track_caller]
    fn from(problem: E) -> Self {
        panic!("{:?}", problem.into())
    }
}
