//! What `--storage` means for directory trees at the start.

use super::check::{ConfigError, Node, WitnessChoice};
use super::parse::{StoragePolicy, bad};
use tracer::record::{Keep, Tree};

impl Node {
    /// Trees that the standby makes the same as the primary's, or compares with it, before the
    /// application runs, or does not touch while it follows. An error where policies contradict
    /// each other, or the witness.
    pub fn trees(&self) -> Result<Vec<Tree>, ConfigError> {
        let mut trees: Vec<Tree> = Vec::new();
        for rule in &self.storage {
            let shown = rule.path.display().to_string();
            let keep = match rule.policy {
                StoragePolicy::Unshared => Keep::Copied,
                StoragePolicy::Readonly => Keep::Compared,
                StoragePolicy::Shared if self.witness == WitnessChoice::None => {
                    let why = "shared storage needs a --witness: with `none` a cut network makes \
                               both nodes active, and both would write it";
                    return Err(bad("--storage", &shown, why));
                }
                StoragePolicy::Shared => Keep::Shared,
            };
            if rule.path.parent().is_none() {
                return Err(bad("--storage", &shown, "not the root of all files"));
            }
            let within = |tree: &Tree| {
                tree.root.starts_with(&rule.path) || rule.path.starts_with(&tree.root)
            };
            if let Some(other) = trees.iter().find(|tree| within(tree)) {
                let why = format!("it overlaps {}", other.root.display());
                return Err(bad("--storage", &shown, &why));
            }
            trees.push(Tree {
                root: rule.path.clone(),
                keep,
            });
        }
        Ok(trees)
    }
}
