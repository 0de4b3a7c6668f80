//! What was asked for.

use std::path::PathBuf;

use crate::measure::{WAYS, Way};

/// What was asked for.
pub struct Options {
    /// Smaller amounts and fewer rounds.
    pub quick: bool,
    pub json: Option<PathBuf>,
    rounds: Option<usize>,
    ways: Option<Vec<Way>>,
    names: Vec<&'static str>,
}

impl Options {
    /// From the command line and the environment; `all` are the names that there are. Ends the
    /// process where something cannot be understood.
    pub fn read(all: &[&'static str]) -> Options {
        Options::parse(all).unwrap_or_else(|message| {
            eprintln!("workloads: {message}");
            std::process::exit(2);
        })
    }

    fn parse(all: &[&'static str]) -> Result<Options, String> {
        let mut options = Options {
            quick: std::env::var_os("BENCH_QUICK").is_some_and(|value| value != "0"),
            json: std::env::var_os("BENCH_JSON").map(PathBuf::from),
            rounds: None,
            ways: None,
            names: Vec::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                // From cargo.
                "--bench" => {}
                "--json" => options.json = Some(args.next().ok_or("--json FILE")?.into()),
                "--rounds" => {
                    let count = args.next().and_then(|text| text.parse().ok());
                    options.rounds = Some(count.ok_or("--rounds NUMBER")?);
                }
                "--ways" => options.ways = Some(ways(&args.next().unwrap_or_default())?),
                word => {
                    // A word that is a name means that one only.
                    let exact = all.contains(&word);
                    let meant = |name: &&str| *name == word || (!exact && name.contains(word));
                    let before = options.names.len();
                    options.names.extend(all.iter().copied().filter(meant));
                    if options.names.len() == before {
                        return Err(format!("{word}: there are {}", all.join(", ")));
                    }
                }
            }
        }
        Ok(options)
    }

    /// How many rounds there are, of which there are usually so many.
    pub fn rounds(&self, full: usize, quick: usize) -> usize {
        self.rounds.unwrap_or(self.pick(full, quick)).max(1)
    }

    pub fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// What is run in this round, of which the first is 1. Strace takes many times as long as all
    /// else, and the difference shows at once.
    pub fn ways(&self, round: usize) -> Vec<Way> {
        match &self.ways {
            Some(ways) => ways.clone(),
            None if round == 1 => vec![Way::Native, Way::Recorded, Way::Strace],
            None => vec![Way::Native, Way::Recorded],
        }
    }

    /// The same, of a program by which it is seen what counting costs.
    pub fn ways_counted(&self, round: usize) -> Vec<Way> {
        let mut ways = self.ways(round);
        if self.ways.is_none() {
            ways.insert(2, Way::Software);
        }
        ways
    }

    /// Those of these names that were asked for.
    pub fn wanted(&self, names: &[&'static str]) -> Vec<&'static str> {
        let asked = |name: &&str| self.names.is_empty() || self.names.contains(name);
        names.iter().copied().filter(asked).collect()
    }
}

/// Of `recorded,no-agent`. Natively it is always run, for that is what all is compared with.
fn ways(text: &str) -> Result<Vec<Way>, String> {
    let known = WAYS.map(Way::name).join(",");
    let words: Vec<&str> = text.split(',').collect();
    if let Some(word) = words
        .iter()
        .find(|word| !WAYS.iter().any(|way| way.name() == **word))
    {
        return Err(format!("--ways {word}: there are {known}"));
    }
    let asked = |way: &Way| *way == Way::Native || words.contains(&way.name());
    Ok(WAYS.into_iter().filter(asked).collect())
}
