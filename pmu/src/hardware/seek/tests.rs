//! Each stop that a seek can be told of, one by one. Whole runs are in `tests/seek.rs`.

use super::*;

const LIMITS: Limits = Limits {
    slack: 100,
    period_min: 10,
    steps_max: 5,
    idle_max: 3,
};

fn at(rcb: u64, ip: u64, signature: u32) -> Place {
    Place {
        rcb: Rcb(rcb),
        ip,
        signature: Signature(signature),
    }
}

fn run(branches: u64, breakpoint: Option<u64>) -> Ask {
    Ask::Run {
        interrupt: Period::new(branches).expect("a period"),
        breakpoint,
    }
}

/// A seek from (0, 0x10) to (1000, 0x50, 7), which runs.
fn far() -> Seek {
    let (seek, ask) = Seek::begin(at(1000, 0x50, 7), LIMITS, at(0, 0x10, 0)).expect("it is ahead");
    assert_eq!(ask, run(900, None));
    seek
}

/// The same, after the interrupt.
fn near() -> Seek {
    let mut seek = far();
    assert_eq!(
        seek.stopped(Why::Interrupt, at(930, 0x20, 1)),
        Ok(run(71, Some(0x50)))
    );
    seek
}

#[test]
fn far_then_near_then_there() {
    let mut seek = near();
    assert_eq!(
        seek.stopped(Why::Breakpoint, at(950, 0x50, 7)),
        Ok(Ask::Step)
    );
    let stepped = Why::Step {
        branch: Some(false),
    };
    assert_eq!(
        seek.stopped(stepped, at(950, 0x54, 2)),
        Ok(run(51, Some(0x50)))
    );
    assert_eq!(
        seek.stopped(Why::Breakpoint, at(1000, 0x50, 6)),
        Ok(Ask::Step)
    );
    assert_eq!(seek.stopped(stepped, at(1000, 0x50, 7)), Ok(Ask::Arrived));
    let stats = SeekStats {
        interrupts: 1,
        breakpoints: 2,
        steps: 2,
        skid_max: 30,
        ..SeekStats::default()
    };
    assert_eq!(seek.stats(), stats);
    assert_eq!(
        seek.stopped(Why::Halt, at(1000, 0x50, 7)),
        Err(SeekError::Over)
    );
}

#[test]
fn the_thread_may_be_there_or_past_it_already() {
    let begun = Seek::begin(at(5, 0x50, 7), LIMITS, at(5, 0x50, 7)).map(|(_, ask)| ask);
    assert_eq!(begun, Ok(Ask::Arrived));
    let begun = Seek::begin(at(5, 0x50, 7), LIMITS, at(6, 0x50, 7)).map(|(_, ask)| ask);
    assert_eq!(begun, Err(SeekError::OverRun { by: 1 }));
}

#[test]
fn a_period_too_short_is_not_programmed() {
    for (target, ask) in [
        (109, run(110, Some(0x50))),
        (110, run(10, None)),
        (3, run(10, Some(0x50))),
    ] {
        let begun = Seek::begin(at(target, 0x50, 7), LIMITS, at(0, 0x10, 0)).map(|(_, ask)| ask);
        assert_eq!(begun, Ok(ask), "{target}");
    }
}

#[test]
fn too_late() {
    assert_eq!(
        far().stopped(Why::Interrupt, at(1001, 0x50, 7)),
        Err(SeekError::OverRun { by: 1 })
    );
    assert_eq!(
        near().stopped(Why::Interrupt, at(1003, 0x60, 7)),
        Err(SeekError::OverRun { by: 3 })
    );
    assert_eq!(
        near().stopped(Why::Breakpoint, at(1001, 0x50, 7)),
        Err(SeekError::OverRun { by: 1 })
    );
    let lost = Err(SeekError::LostInterrupt { due: 900, at: 2000 });
    assert_eq!(far().stopped(Why::Halt, at(2000, 0x50, 7)), lost);
    assert_eq!(
        far().stopped(Why::SyncPoint, at(950, 0x50, 7)),
        Err(SeekError::SyncPoint { at: 950 })
    );
}

#[test]
fn a_lost_interrupt_is_survived_if_found_in_time() {
    let mut seek = far();
    assert_eq!(
        seek.stopped(Why::Halt, at(400, 0x20, 1)),
        Ok(run(500, None))
    );
    assert_eq!(
        seek.stopped(Why::Halt, at(990, 0x20, 1)),
        Ok(run(11, Some(0x50)))
    );
    assert_eq!(seek.stats().lost, 1);
}

#[test]
fn an_early_interrupt_is_asked_for_again() {
    let mut seek = far();
    assert_eq!(
        seek.stopped(Why::Interrupt, at(300, 0x20, 1)),
        Ok(run(600, None))
    );
    assert_eq!(seek.stats().early, 1);
    for _ in 0..LIMITS.idle_max {
        assert_eq!(
            seek.stopped(Why::Interrupt, at(300, 0x20, 1)),
            Ok(run(600, None))
        );
    }
    let stuck = Err(SeekError::Stuck {
        stops: LIMITS.idle_max + 1,
    });
    assert_eq!(seek.stopped(Why::Interrupt, at(300, 0x20, 1)), stuck);
    assert_eq!(
        seek.stopped(Why::Interrupt, at(310, 0x20, 1)),
        Err(SeekError::Over)
    );
}

#[test]
fn counts_that_cannot_be() {
    let backwards = Err(SeekError::Backwards { from: 930, to: 929 });
    assert_eq!(near().stopped(Why::Breakpoint, at(929, 0x50, 7)), backwards);
    for (branch, counted, right) in [
        (None, 0, true),
        (None, 1, true),
        (None, 2, false),
        (Some(true), 1, true),
        (Some(true), 0, false),
        (Some(true), 2, false),
        (Some(false), 0, true),
        (Some(false), 1, false),
    ] {
        let mut seek = near();
        assert_eq!(
            seek.stopped(Why::Breakpoint, at(950, 0x50, 7)),
            Ok(Ask::Step)
        );
        let found = seek.stopped(Why::Step { branch }, at(950 + counted, 0x54, 7));
        assert_eq!(found.is_ok(), right, "{branch:?} {counted}");
        assert!(right || found == Err(SeekError::Miscount { counted }));
    }
}

#[test]
fn stops_that_were_not_asked_for() {
    for (mut seek, why, ip) in [
        (far(), Why::Breakpoint, 0x50),
        (near(), Why::Breakpoint, 0x51),
        (far(), Why::Step { branch: None }, 0x50),
    ] {
        assert_eq!(
            seek.stopped(why, at(950, ip, 7)),
            Err(SeekError::Unexpected { why, ip })
        );
    }
}

#[test]
fn steps_end() {
    let mut seek = near();
    assert_eq!(
        seek.stopped(Why::Breakpoint, at(950, 0x50, 0)),
        Ok(Ask::Step)
    );
    for _ in 1..LIMITS.steps_max {
        assert_eq!(
            seek.stopped(Why::Step { branch: None }, at(950, 0x50, 0)),
            Ok(Ask::Step)
        );
    }
    let ended = Err(SeekError::Steps {
        steps: LIMITS.steps_max,
    });
    assert_eq!(
        seek.stopped(Why::Step { branch: None }, at(950, 0x50, 0)),
        ended
    );
}

#[test]
fn what_looks_the_same_may_differ() {
    let mut seek = near();
    assert_eq!(seek.differs(), Err(SeekError::Over));
    assert_eq!(
        seek.stopped(Why::Breakpoint, at(1000, 0x50, 7)),
        Ok(Ask::Arrived)
    );
    assert_eq!(seek.differs(), Ok(Ask::Step));
    assert_eq!(
        seek.stopped(
            Why::Step {
                branch: Some(false)
            },
            at(1000, 0x50, 7)
        ),
        Ok(Ask::Arrived)
    );
    assert_eq!(seek.differs(), Ok(Ask::Step));
    let gone = seek.stopped(Why::Step { branch: Some(true) }, at(1001, 0x10, 7));
    assert_eq!(gone, Err(SeekError::OverRun { by: 1 }));
    assert_eq!(seek.differs(), Err(SeekError::Over));
}

#[test]
fn no_number_is_too_large() {
    let edge = at(u64::MAX, 0x50, 7);
    let (mut seek, ask) = Seek::begin(edge, LIMITS, at(0, 0x10, 0)).expect("it is ahead");
    assert_eq!(
        ask,
        Ask::Run {
            interrupt: Period::NEVER,
            breakpoint: None
        }
    );
    assert!(
        seek.stopped(Why::Interrupt, at(u64::MAX - 1, 0x10, 0))
            .is_ok()
    );
    assert_eq!(seek.stopped(Why::Breakpoint, edge), Ok(Ask::Arrived));
}
