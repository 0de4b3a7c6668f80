//! Which counter to use, and why.

use super::{Findings, Usable};
use crate::Counter;
use std::fmt;
use std::str::FromStr;

/// What was asked for (`--counter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CounterChoice {
    /// The hardware counter if it is fit, else the software counter.
    #[default]
    Auto,
    /// The hardware counter, or an error.
    Hardware,
    /// The translator.
    Software,
    /// Single-stepping.
    Stepped,
}

impl CounterChoice {
    /// All of them, in the order in which help names them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Hardware, Self::Software, Self::Stepped];

    /// As it is typed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Hardware => "hardware",
            Self::Software => "software",
            Self::Stepped => "stepped",
        }
    }

    /// Whether it depends on what a probe finds.
    #[must_use]
    pub const fn needs_probe(self) -> bool {
        matches!(self, Self::Auto | Self::Hardware)
    }
}

impl fmt::Display for CounterChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Not a counter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a counter: use auto, hardware, software or stepped")]
pub struct UnknownChoice(pub String);

impl FromStr for CounterChoice {
    type Err = UnknownChoice;

    fn from_str(text: &str) -> Result<Self, UnknownChoice> {
        let found = Self::ALL.into_iter().find(|choice| choice.name() == text);
        found.ok_or_else(|| UnknownChoice(text.to_owned()))
    }
}

/// The counter to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Which one.
    pub counter: Counter,
    /// The hardware counter, if it is that.
    pub hardware: Option<Usable>,
    /// Why this one: the end of a sentence that begins with its name.
    pub why: String,
}

/// Why there is no such counter here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The hardware counter was asked for and is not fit.
    #[error("the hardware counter cannot be used: {reason}{}", remedy.map(|remedy| format!(" ({remedy})")).unwrap_or_default())]
    NoHardware {
        /// What a probe found.
        reason: String,
        /// What to change.
        remedy: Option<&'static str>,
    },
}

/// Chooses by what a probe found; what does not [need it](CounterChoice::needs_probe) ignores that.
pub fn choose(choice: CounterChoice, findings: &Findings) -> Result<Chosen, ChoiceError> {
    let plain = |counter, why: String| {
        Ok(Chosen {
            counter,
            hardware: None,
            why,
        })
    };
    match (choice, findings.usable) {
        (CounterChoice::Software, _) => plain(Counter::Software, "it was asked for".to_owned()),
        (CounterChoice::Stepped, _) => plain(Counter::Stepped, "it was asked for".to_owned()),
        (CounterChoice::Auto | CounterChoice::Hardware, Some(usable)) => Ok(Chosen {
            counter: Counter::Hardware,
            hardware: Some(usable),
            why: format!(
                "event {} counts conditional branches exactly, and its interrupts come at most {} of them late",
                usable.event, usable.skid_seen
            ),
        }),
        (CounterChoice::Auto, None) => plain(Counter::Software, reason(findings)),
        (CounterChoice::Hardware, None) => Err(ChoiceError::NoHardware {
            reason: reason(findings),
            remedy: findings.obstacle().and_then(|finding| finding.remedy()),
        }),
    }
}

fn reason(findings: &Findings) -> String {
    findings
        .obstacle()
        .map_or_else(|| "nothing was found".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::super::{Cpu, Environment, Finding, RawEvent};
    use super::*;

    fn findings(usable: bool) -> Findings {
        let usable = usable.then_some(Usable {
            event: RawEvent(0x51_01c4),
            pmu: 4,
            skid_seen: 12,
            slack: 200,
        });
        let list = match usable {
            Some(_) => vec![Finding::UnknownCpu],
            None => vec![Finding::NoPmu {
                virtual_machine: true,
            }],
        };
        Findings {
            cpu: Cpu::default(),
            microarchitecture: None,
            environment: Environment::default(),
            usable,
            list,
        }
    }

    #[test]
    fn what_is_typed_is_read() {
        for choice in CounterChoice::ALL {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "Auto"
            .parse::<CounterChoice>()
            .expect_err("not as it is typed");
        assert_eq!(
            error.to_string(),
            "\"Auto\" is not a counter: use auto, hardware, software or stepped"
        );
        assert_eq!(CounterChoice::default(), CounterChoice::Auto);
    }

    #[test]
    fn auto_takes_what_there_is() {
        let with = choose(CounterChoice::Auto, &findings(true)).expect("a choice");
        assert_eq!(
            (with.counter, with.hardware),
            (Counter::Hardware, findings(true).usable)
        );
        let without = choose(CounterChoice::Auto, &findings(false)).expect("a choice");
        assert_eq!(
            (without.counter, without.hardware),
            (Counter::Software, None)
        );
        assert_eq!(without.why, "this virtual machine has no PMU");
    }

    #[test]
    fn hardware_is_taken_or_refused() {
        let with = choose(CounterChoice::Hardware, &findings(true)).expect("a choice");
        assert_eq!(with.counter, Counter::Hardware);
        let error = choose(CounterChoice::Hardware, &findings(false)).expect_err("there is none");
        let text = error.to_string();
        assert!(
            text.starts_with(
                "the hardware counter cannot be used: this virtual machine has no PMU (give"
            ),
            "{text}"
        );
    }

    #[test]
    fn the_others_are_always_there() {
        for (choice, counter) in [
            (CounterChoice::Software, Counter::Software),
            (CounterChoice::Stepped, Counter::Stepped),
        ] {
            for usable in [true, false] {
                assert_eq!(
                    choose(choice, &findings(usable)).map(|chosen| chosen.counter),
                    Ok(counter)
                );
            }
            assert!(!choice.needs_probe());
        }
    }
}
