use super::*;

const STATUS: Option<ScrapeError> = Some(ScrapeError::Status(http::StatusCode::NOT_FOUND));
const LOST: Option<ScrapeError> = Some(ScrapeError::Lost);

/// What the log is told of scrapes every fifteen seconds, by number.
fn told(scrapes: impl IntoIterator<Item = Option<ScrapeError>>) -> Vec<(i64, Turn)> {
    let state = TargetState::default();
    let note = |(number, error): (i64, Option<ScrapeError>)| {
        let at = Timestamp::from_second(15 * number).unwrap();
        let turn = state.note(at, Duration::ZERO, &Measured::default(), error.as_ref());
        turn.map(|turn| (number, turn))
    };
    (0..).zip(scrapes).filter_map(note).collect()
}

#[test]
fn a_failure_is_told_when_it_begins_and_when_it_ends() {
    let scrapes = [None, STATUS, STATUS, STATUS, None, None];
    assert_eq!(told(scrapes), [(1, Turn::Failing), (4, Turn::Recovered)]);
    assert_eq!(told([STATUS, LOST, LOST]), [(0, Turn::Failing), (1, Turn::Failing)]);
}

#[test]
fn a_target_that_fails_in_turns_is_told_of_once_a_while() {
    let scrapes = (0..40).map(|number| if number % 2 == 0 { STATUS } else { LOST });
    assert_eq!(told(scrapes), [0, 1, 20, 21].map(|number| (number, Turn::Failing)));
    let scrapes = (0..40).map(|number| if number % 2 == 0 { STATUS } else { None });
    let (fails, recovers) = (Turn::Failing, Turn::Recovered);
    assert_eq!(told(scrapes), [(0, fails), (1, recovers), (20, fails), (21, recovers)]);
}

#[test]
fn the_log_does_not_end_with_a_recovery_that_did_not_last() {
    let scrapes = (0..40).map(|number| if number == 1 { None } else { STATUS });
    assert_eq!(told(scrapes), [(0, Turn::Failing), (1, Turn::Recovered), (20, Turn::Failing)]);
}
